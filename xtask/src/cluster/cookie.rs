//! The secret that the nodes of a launched cluster share.

use super::layout::Layout;
use crate::failure::{Failure, Outcome};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes of randomness in a new cookie.
const COOKIE_BYTES: usize = 32;

/// Makes the cluster's cookie unless it has one.
pub(super) fn ensure(layout: &Layout) -> Outcome {
    if layout.cookie().exists() {
        return Ok(());
    }
    let mut bytes = [0; COOKIE_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| Failure::of("cannot read random bytes", error))?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    write_secret(&layout.cookie(), &hex)
}

/// The cluster's cookie, in hexadecimal.
pub(super) fn load(layout: &Layout) -> Outcome<String> {
    let path = layout.cookie();
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|error| Failure::of(path.display(), error))?;
    Ok(text.trim().to_string())
}

/// Writes a file that only its owner can read, complete or not at all.
pub(super) fn write_secret(path: &Path, text: &str) -> Outcome {
    let partial = path.with_extension("partial");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(&partial)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(|error| Failure::of(format!("cannot write {}", path.display()), error))
}

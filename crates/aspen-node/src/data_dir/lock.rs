//! One process per data directory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::DataDirError;

/// The lock on a directory. The kernel releases it with the process, however that ends, so a crash
/// leaves no stale lock.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, at once or not at all.
    pub(crate) fn acquire(dir: &Path) -> Result<Self, DataDirError> {
        let path = dir.join("lock");
        let io = |error: &std::io::Error| DataDirError::io(&path, error);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| io(&error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(in_use(dir, &mut file)),
            Err(error) => return Err(io(&error.into())),
        }
        write_owner(&mut file).map_err(|error| io(&error))?;
        Ok(Self { _file: file })
    }
}

/// The lock's holder writes its process id for whoever finds the directory locked.
fn write_owner(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn in_use(dir: &Path, file: &mut File) -> DataDirError {
    let mut process = String::new();
    let known = file.read_to_string(&mut process).is_ok() && !process.trim().is_empty();
    let process = if known { process.trim().to_owned() } else { "(unknown)".to_owned() };
    DataDirError::InUse { path: dir.to_owned(), process }
}

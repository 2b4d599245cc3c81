//! What was typed, as bytes within the store's limits.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use aspen_core::{Consistency, Key, KeyRange, Revision, VALUE_BYTES_MAX, Value};

use crate::args::kv::{ConsistencyArgs, KeyArgs, RangeArgs};
use crate::exit::CliError;
use crate::text;

/// The largest transaction description that is read, in bytes: the transaction's limit with every
/// byte escaped.
const FILE_BYTES_MAX: usize = 6 * aspen_core::TRANSACTION_BYTES_MAX;

impl KeyArgs {
    /// The bytes of a key or prefix as typed.
    pub(super) fn bytes(self, typed: &OsStr) -> Result<Vec<u8>, CliError> {
        if !self.hex_keys {
            return Ok(typed.as_bytes().to_vec());
        }
        let digits = typed.as_bytes();
        text::parse_hex(digits)
            .ok_or_else(|| CliError::Invalid(format!("{typed:?} is not hexadecimal (--hex-keys)")))
    }

    pub(super) fn key(self, typed: &OsStr) -> Result<Key, CliError> {
        Key::new(self.bytes(typed)?).map_err(|error| CliError::Invalid(error.to_string()))
    }

    pub(super) fn keys(self, typed: &[OsString]) -> Result<Vec<Key>, CliError> {
        typed.iter().map(|key| self.key(key)).collect()
    }
}

impl RangeArgs {
    pub(super) fn range(&self, encoding: KeyArgs) -> Result<KeyRange, CliError> {
        let bytes = |typed: &Option<OsString>| {
            typed.as_ref().map(|typed| encoding.bytes(typed)).transpose()
        };
        if let Some(prefix) = bytes(&self.prefix)? {
            return Ok(KeyRange::prefix(prefix));
        }
        let start = bytes(&self.from)?.unwrap_or_default().into();
        let end = bytes(&self.to)?.map(Into::into);
        Ok(KeyRange { start, end })
    }
}

impl ConsistencyArgs {
    pub(super) fn consistency(self) -> Consistency {
        match self {
            Self { at: Some(revision), .. } => Consistency::AtRevision(Revision::new(revision)),
            Self { stale: true, .. } => Consistency::Stale,
            Self { lease: true, .. } => Consistency::Lease,
            _ => Consistency::Linearizable,
        }
    }
}

/// A duration as the store counts it.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A value as typed.
pub(super) fn value(bytes: &[u8]) -> Result<Value, CliError> {
    Value::new(bytes.to_vec()).map_err(|error| CliError::Invalid(error.to_string()))
}

/// A value from a file, byte for byte; `-` is standard input.
pub(super) fn value_from(path: &Path) -> Result<Value, CliError> {
    value(&read_at_most(path, VALUE_BYTES_MAX)?)
}

/// A text from standard input.
pub(super) fn text_from_stdin(max: usize) -> Result<String, CliError> {
    let bytes = read_at_most(Path::new("-"), max)?;
    String::from_utf8(bytes)
        .map_err(|_| CliError::Invalid("standard input is not UTF-8 text".to_owned()))
}

/// A transaction description from a file; `-` is standard input.
pub(super) fn description_from(path: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = read_at_most(path, FILE_BYTES_MAX)?;
    if bytes.len() > FILE_BYTES_MAX {
        let detail = format!("{} is longer than {FILE_BYTES_MAX} bytes", path.display());
        return Err(CliError::Invalid(detail));
    }
    Ok(bytes)
}

/// Reads a file; of one that is too long, one byte more than `max`, so that the caller can tell.
fn read_at_most(path: &Path, max: usize) -> Result<Vec<u8>, CliError> {
    let failed = || CliError::io(format!("cannot read {}", path.display()));
    let source: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(path).map_err(failed())?),
    };
    let mut bytes = Vec::new();
    source.take(max as u64 + 1).read_to_end(&mut bytes).map_err(failed())?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bytes_or_hexadecimal() {
        let (plain, hex) = (KeyArgs { hex_keys: false }, KeyArgs { hex_keys: true });
        let typed = OsStr::from_bytes(b"\xff");
        assert_eq!(plain.key(typed).unwrap().as_bytes(), b"\xff");
        assert_eq!(hex.key(OsStr::new("Ff00")).unwrap().as_bytes(), b"\xff\x00");
        assert_eq!(hex.key(OsStr::new("xy")).unwrap_err().status().code(), 2);
        assert_eq!(plain.key(OsStr::new("")).unwrap_err().status().code(), 2);
    }

    #[test]
    fn a_file_that_is_too_long_is_a_value_that_is_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        std::fs::write(&path, vec![0; VALUE_BYTES_MAX + 10]).unwrap();
        let error = value_from(&path).unwrap_err();
        assert!(error.to_string().contains("VALUE_BYTES_MAX"), "{error}");
    }
}

//! The version of what is stored about directories.

use aspen_core::Value;
use aspen_txn::Transaction;

use super::DirectoryError;
use super::nodes::Node;

/// The version of FoundationDB's directory layer that stores the same: major, minor, micro.
const VERSION: [u32; 3] = [1, 0, 0];

/// What an operation does with the directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Checks that the directories are of a version that can be read, or written. The first that
/// writes stores the version.
pub(super) async fn check_version(
    tx: &Transaction,
    root: &Node,
    access: Access,
) -> Result<(), DirectoryError> {
    let key = root.version_key()?;
    match (tx.get(&key).await?, access) {
        (Some(found), _) => check_known(&found, access),
        (None, Access::Read) => Ok(()),
        (None, Access::Write) => {
            let bytes: Vec<u8> = VERSION.iter().flat_map(|part| part.to_le_bytes()).collect();
            Ok(tx.set(key, Value::new(bytes)?)?)
        }
    }
}

/// As FoundationDB does: a newer major version is unreadable, a newer minor one read-only.
fn check_known(version: &Value, access: Access) -> Result<(), DirectoryError> {
    let (parts, rest) = version.as_bytes().as_chunks::<4>();
    let parts: Vec<u32> = parts.iter().map(|part| u32::from_le_bytes(*part)).collect();
    let ([major, minor, micro], true) = (&parts[..], rest.is_empty()) else {
        return Err(DirectoryError::corrupt("version", "it is not 12 bytes"));
    };
    match *major > VERSION[0] || (access == Access::Write && *minor > VERSION[1]) {
        true => Err(DirectoryError::Version { found: format!("{major}.{minor}.{micro}") }),
        false => Ok(()),
    }
}

//! redb's errors in the log's words.

use std::io;
use std::path::Path;

use aspen_core::ErrorKind;
use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};

use super::LogError;

impl From<StorageError> for LogError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Corrupted(what) => Self::Corrupt(what),
            StorageError::Io(error) => Self::from_io(&error),
            StorageError::DatabaseClosed => Self::Stopped("the log is closed".to_owned()),
            other => Self::Io(other.to_string()),
        }
    }
}

impl LogError {
    /// What the caller should do. A full or failing disk and a stopped writer need an operator; a
    /// broken contract is a bug of ours.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(_) | Self::DiskFull(_) | Self::Stopped(_) => ErrorKind::Unavailable,
            Self::Corrupt(_) => ErrorKind::Corrupt,
            Self::Incompatible(_) => ErrorKind::Invalid,
            Self::Misuse(_) => ErrorKind::Bug,
        }
    }

    /// The same error, naming the file.
    pub(super) fn at(self, path: &Path) -> Self {
        let named = |what: String| format!("{}: {what}", path.display());
        match self {
            Self::Io(what) => Self::Io(named(what)),
            Self::DiskFull(what) => Self::DiskFull(named(what)),
            Self::Corrupt(what) => Self::Corrupt(named(what)),
            Self::Incompatible(what) => Self::Incompatible(named(what)),
            Self::Misuse(what) => Self::Misuse(named(what)),
            Self::Stopped(what) => Self::Stopped(named(what)),
        }
    }

    fn from_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull(error.to_string())
            }
            // redb reports a file that is not its own, and one cut short, this way.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Io(error.to_string()),
        }
    }
}

impl From<TableError> for LogError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Storage(error) => error.into(),
            // The tables are created with the file, so that any other answer means damage.
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl From<TransactionError> for LogError {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Storage(error) => error.into(),
            other => Self::Io(other.to_string()),
        }
    }
}

impl From<CommitError> for LogError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Storage(error) => error.into(),
            other => Self::Io(other.to_string()),
        }
    }
}

impl From<DatabaseError> for LogError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Storage(error) => error.into(),
            DatabaseError::DatabaseAlreadyOpen => Self::Incompatible(
                "the file is in use by another process; stop that process, or give this node a \
                 directory of its own"
                    .to_owned(),
            ),
            DatabaseError::UpgradeRequired(version) => Self::Incompatible(format!(
                "the file has the older storage format {version}; open it once with the version \
                 of the program that wrote it and let the node rejoin, or remove it and rejoin"
            )),
            other => Self::Io(other.to_string()),
        }
    }
}

/// Turns a panic into an error: redb asserts some things about pages that a damaged file breaks.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, LogError>) -> Result<T, LogError> {
    let work = std::panic::AssertUnwindSafe(work);
    std::panic::catch_unwind(work).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(LogError::Corrupt(text.unwrap_or_else(|| "a page cannot be read".to_owned())))
    })
}

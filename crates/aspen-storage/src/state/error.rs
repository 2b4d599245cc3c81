//! Failures of a state machine.

use aspen_core::{InvalidRequest, ReadError, Revision};

/// A state machine that could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateError {
    /// The file system failed.
    #[error("state storage: {0}")]
    Io(String),
    /// The disk is full.
    #[error("state storage: disk is full: {0}")]
    DiskFull(String),
    /// Stored bytes fail a check: restore the replica from its peers.
    #[error("state is corrupt: {0}")]
    Corrupt(String),
    /// The file belongs to another group, cluster or program version.
    #[error("state cannot be opened: {0}")]
    Incompatible(String),
    /// The revision's history is gone.
    #[error("revision {requested} is compacted; the oldest readable revision is {horizon}")]
    Compacted {
        /// The revision asked for.
        requested: Revision,
        /// The oldest readable revision.
        horizon: Revision,
    },
    /// The state has not reached the revision.
    #[error("revision {requested} is in the future; the group is at {current}")]
    FutureRevision {
        /// The revision asked for.
        requested: Revision,
        /// The state's revision.
        current: Revision,
    },
    /// The request exceeds a limit, which shows only while it is served.
    #[error("invalid request: {0}")]
    Invalid(#[from] InvalidRequest),
    /// The state machine has stopped after a failure or at shutdown.
    #[error("state machine has stopped: {0}")]
    Stopped(String),
}

impl From<StateError> for std::io::Error {
    fn from(error: StateError) -> Self {
        std::io::Error::other(error)
    }
}

impl From<StateError> for ReadError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Compacted { requested, horizon } => Self::Compacted { requested, horizon },
            StateError::FutureRevision { requested, current } => {
                Self::FutureRevision { requested, current }
            }
            StateError::Invalid(error) => Self::Invalid(error),
            StateError::Corrupt(detail) => Self::Corrupt(detail),
            StateError::Incompatible(detail) => Self::Corrupt(detail),
            StateError::Io(detail) | StateError::DiskFull(detail) => Self::Unavailable(detail),
            StateError::Stopped(detail) => Self::Unavailable(detail),
        }
    }
}

/// A file system's failure, with the file it happened to.
pub(crate) fn from_io(path: &std::path::Path, error: &std::io::Error) -> StateError {
    let detail = format!("{}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            StateError::DiskFull(detail)
        }
        _ => StateError::Io(detail),
    }
}

/// Makes the creation, renaming or removal of a file durable: that is a change of its directory.
pub(crate) fn sync_parent(path: &std::path::Path) -> Result<(), StateError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(std::path::Path::new("."));
    std::fs::File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| from_io(parent, &error))
}

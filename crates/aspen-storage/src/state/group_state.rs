//! The registers of a group: small, wholly in memory, and durable with the data.

use aspen_core::Revision;

use super::{LeaseTable, Sessions, StateError};

/// Everything replicated that is not a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    /// The last change.
    pub revision: Revision,
    /// The oldest revision that may be read.
    pub horizon: Revision,
    /// The group's clock: the latest time that a leader proposed, in Unix milliseconds.
    pub clock_ms: u64,
    /// Open sessions.
    pub sessions: Sessions,
    /// Leases in force.
    pub leases: LeaseTable,
}

impl GroupState {
    /// The revision that a read at `at` reads: the current one for `None`.
    ///
    /// # Errors
    /// [`StateError::Compacted`] below the horizon, [`StateError::FutureRevision`] above the
    /// current revision.
    pub fn resolve(&self, at: Option<Revision>) -> Result<Revision, StateError> {
        let (horizon, current) = (self.horizon, self.revision);
        match at {
            None => Ok(current),
            Some(requested) if requested < horizon => {
                Err(StateError::Compacted { requested, horizon })
            }
            Some(requested) if requested > current => {
                Err(StateError::FutureRevision { requested, current })
            }
            Some(requested) => Ok(requested),
        }
    }
}

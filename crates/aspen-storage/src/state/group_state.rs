//! The registers of a group: small, wholly in memory, and durable with the data.

use aspen_core::Revision;

use super::readable::Readable;
use super::{LeaseTable, PinTable, Sessions, StateError};

/// Everything replicated that is not a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    /// The last change.
    pub revision: Revision,
    /// The oldest revision from which on all may be read; below it only those that are pinned.
    pub horizon: Revision,
    /// The group's clock: the latest time that a leader proposed, in Unix milliseconds.
    pub clock_ms: u64,
    /// Open sessions.
    pub sessions: Sessions,
    /// Leases in force.
    pub leases: LeaseTable,
    /// Revisions that may be read below the horizon too.
    pub pins: PinTable,
}

impl GroupState {
    /// The revision that a read at `at` reads: the current one for `None`.
    ///
    /// # Errors
    /// [`StateError::Compacted`] below the horizon, unless the revision is pinned;
    /// [`StateError::FutureRevision`] above the current revision.
    pub fn resolve(&self, at: Option<Revision>) -> Result<Revision, StateError> {
        self.readable().resolve(at)
    }

    /// Which revisions may be read.
    pub(super) fn readable(&self) -> Readable<'_> {
        Readable { revision: self.revision, horizon: self.horizon, pins: &self.pins }
    }
}

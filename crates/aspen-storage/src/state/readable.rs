//! Which revisions of a state may be read.

use aspen_core::Revision;

use super::{PinTable, StateError};

/// Everything that decides whether a revision may be read.
pub(super) struct Readable<'a> {
    /// The last change.
    pub(super) revision: Revision,
    /// The oldest revision from which on all may be read.
    pub(super) horizon: Revision,
    /// Those that may be read below it.
    pub(super) pins: &'a PinTable,
}

impl Readable<'_> {
    /// The revision that a read at `at` reads: the current one for `None`.
    pub(super) fn resolve(&self, at: Option<Revision>) -> Result<Revision, StateError> {
        match at.filter(|at| self.pins.contains(*at)) {
            Some(pinned) => Ok(pinned),
            None => self.resolve_history(at),
        }
    }

    /// The same for whoever needs all that came after the revision too, which a pin does not keep.
    pub(super) fn resolve_history(&self, at: Option<Revision>) -> Result<Revision, StateError> {
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

//! Pinning revisions.

use aspen_core::{LeaseId, PIN_COUNT_MAX, Rejection, Reply, Revision};

use crate::state::{GroupState, StateError, Tables};

/// Pins a revision to a lease.
pub(super) fn pin(group: &mut GroupState, lease: LeaseId, revision: Option<Revision>) -> Reply {
    let revision = revision.unwrap_or(group.revision);
    match check(group, lease, revision) {
        Err(rejection) => Reply::Rejected(rejection),
        Ok(()) => {
            group.pins.pin(revision, lease);
            Reply::RevisionPinned { revision }
        }
    }
}

fn check(group: &GroupState, lease: LeaseId, requested: Revision) -> Result<(), Rejection> {
    lease.validate().map_err(|error| Rejection::Invalid(error.to_string()))?;
    if !group.leases.contains_key(&lease) {
        return Err(Rejection::NoSuchLease { lease });
    }
    let (horizon, current) = (group.horizon, group.revision);
    if requested > current {
        return Err(Rejection::FutureRevision { requested, current });
    }
    // What no pin holds below the horizon may be gone already.
    if requested < horizon && !group.pins.contains(requested) {
        return Err(Rejection::Compacted { requested, horizon });
    }
    match group.pins.len() >= PIN_COUNT_MAX && !group.pins.is_held(requested, lease) {
        true => Err(Rejection::TooManyPins { limit: PIN_COUNT_MAX as u64 }),
        false => Ok(()),
    }
}

/// Ends the pins of leases that have ended, and forgets what only these held.
pub(super) fn unpin<T: Tables + ?Sized>(
    tables: &mut T,
    leases: &[LeaseId],
) -> Result<(), StateError> {
    let pins = &mut tables.group_mut().pins;
    let ended = leases.iter().filter(|lease| pins.unpin(**lease)).count();
    match ended {
        0 => Ok(()),
        _ => {
            let horizon = tables.group().horizon;
            tables.compact(horizon)
        }
    }
}

#[cfg(test)]
mod tests;

//! Leases: granting and ending them, and keeping count of their keys.

use std::collections::BTreeMap;

use aspen_core::{
    DELETE_RANGE_KEYS_MAX, ExpiringLease, InvalidRequest, LEASE_COUNT_MAX, LEASE_KEYS_MAX, LeaseId,
    Operation, Rejection, Reply, validate_ttl,
};

use super::overlay::Overlay;
use crate::state::{GroupState, LeaseTable, StateError, Tables};

/// Grants a lease.
pub(super) fn grant(group: &mut GroupState, lease: LeaseId, ttl_ms: u64) -> Reply {
    match check_grant(&group.leases, lease, ttl_ms) {
        Err(rejection) => Reply::Rejected(rejection),
        Ok(()) => {
            group.leases.grant(lease, ttl_ms);
            Reply::LeaseGranted { lease, ttl_ms }
        }
    }
}

fn check_grant(leases: &LeaseTable, lease: LeaseId, ttl_ms: u64) -> Result<(), Rejection> {
    let invalid = |error: InvalidRequest| Rejection::Invalid(error.to_string());
    validate_ttl(ttl_ms).and_then(|()| lease.validate()).map_err(invalid)?;
    if lease == LeaseId::UNCHOSEN {
        return Err(Rejection::Invalid("no lease has the id 0".to_owned()));
    }
    match leases.contains_key(&lease) {
        true => Err(Rejection::LeaseExists { lease }),
        false => check_count(leases.len() + 1),
    }
}

fn check_count(leases: usize) -> Result<(), Rejection> {
    match leases > LEASE_COUNT_MAX {
        true => Err(Rejection::TooManyLeases { limit: LEASE_COUNT_MAX as u64 }),
        false => Ok(()),
    }
}

/// Ends a lease and deletes its keys.
pub(super) fn revoke<T: Tables + ?Sized>(
    tables: &mut T,
    lease: LeaseId,
) -> Result<Reply, StateError> {
    if !tables.group().leases.contains_key(&lease) {
        return Ok(Reply::Rejected(Rejection::NoSuchLease { lease }));
    }
    let keys = end(tables, &[lease])?;
    Ok(Reply::LeaseRevoked { revision: tables.group().revision, keys })
}

/// Ends leases whose time is over, as many as may end in one go.
pub(super) fn expire<T: Tables + ?Sized>(
    tables: &mut T,
    expiring: &[ExpiringLease],
) -> Result<Reply, StateError> {
    let mut keys = 0;
    let mut ended = Vec::new();
    for ExpiringLease { lease, grant } in expiring {
        let granted = tables.group().leases.get(lease);
        let Some(granted) = granted.filter(|it| it.terms.grant == *grant) else { continue };
        // Named twice, it ends once.
        if ended.contains(lease) {
            continue;
        }
        keys += granted.keys;
        if keys > DELETE_RANGE_KEYS_MAX {
            break;
        }
        ended.push(*lease);
    }
    let keys = end(tables, &ended)?;
    let (revision, leases) = (tables.group().revision, ended.len() as u64);
    Ok(Reply::LeasesExpired { revision, leases, keys })
}

/// Ends leases; all their keys go at one revision. Answers how many there were.
fn end<T: Tables + ?Sized>(tables: &mut T, leases: &[LeaseId]) -> Result<u64, StateError> {
    let mut changes = BTreeMap::new();
    for lease in leases {
        for key in tables.leased(*lease, LEASE_KEYS_MAX)? {
            changes.insert(key, None);
        }
        tables.group_mut().leases.end(*lease);
    }
    super::pins::unpin(tables, leases)?;
    let keys = changes.len() as u64;
    if keys > 0 {
        let revision = tables.group().revision.next();
        tables.commit(revision, changes)?;
        tables.group_mut().revision = revision;
    }
    Ok(keys)
}

/// Checks that every lease that a step names is in force.
pub(super) fn check(group: &GroupState, operations: &[Operation]) -> Result<(), Rejection> {
    operations.iter().try_for_each(|operation| match operation {
        Operation::Put { lease: Some(lease), .. }
        | Operation::PutVersionstamped { lease: Some(lease), .. }
            if !group.leases.contains_key(lease) =>
        {
            Err(Rejection::NoSuchLease { lease: *lease })
        }
        _ => Ok(()),
    })
}

/// What a transaction does to leases.
#[derive(Default)]
pub(super) struct Settlement {
    /// How many keys leases have after it, of those that gain or lose any.
    keys: BTreeMap<LeaseId, usize>,
    /// Private leases of keys that were given a TTL, with that TTL.
    granted: Vec<(LeaseId, u64)>,
    /// Private leases that have lost their key.
    ended: Vec<LeaseId>,
}

impl Settlement {
    /// What an overlay's changes mean for leases; nothing is done yet.
    ///
    /// # Errors
    /// When there would be too many leases or keys.
    pub(super) fn of(leases: &LeaseTable, overlay: &Overlay) -> Result<Self, Rejection> {
        if !overlay.attaches && overlay.leases_before.is_empty() {
            return Ok(Self::default());
        }
        let keys = count_keys(leases, overlay)?;
        let is_empty = |(lease, keys): (&LeaseId, &usize)| {
            (*keys == 0 && lease.is_private() && leases.contains_key(lease)).then_some(*lease)
        };
        let ended: Vec<LeaseId> = keys.iter().filter_map(is_empty).collect();
        let has_key = |lease: &LeaseId| keys.get(lease).is_some_and(|keys| *keys > 0);
        let private = overlay.private.iter().filter(|(lease, _)| has_key(lease));
        let granted: Vec<(LeaseId, u64)> = private.map(|(lease, ttl)| (*lease, *ttl)).collect();
        check_count((leases.len() + granted.len()).saturating_sub(ended.len()))?;
        Ok(Self { keys, granted, ended })
    }

    /// Does it.
    pub(super) fn carry_out(self, leases: &mut LeaseTable) {
        for lease in self.ended {
            leases.end(lease);
        }
        for (lease, ttl_ms) in self.granted {
            leases.grant(lease, ttl_ms);
        }
        for (lease, keys) in self.keys {
            leases.set_keys(lease, keys);
        }
    }
}

/// How many keys leases have after the changes, of those that gain or lose any.
fn count_keys(
    leases: &LeaseTable,
    overlay: &Overlay,
) -> Result<BTreeMap<LeaseId, usize>, Rejection> {
    let mut moved = BTreeMap::<LeaseId, (usize, usize)>::new();
    for (key, change) in &overlay.changes {
        let before = overlay.leases_before.get(key).copied();
        let after = change.as_ref().and_then(|live| live.lease);
        if before == after {
            continue;
        }
        before.into_iter().for_each(|lease| moved.entry(lease).or_default().1 += 1);
        after.into_iter().for_each(|lease| moved.entry(lease).or_default().0 += 1);
    }
    let mut keys = BTreeMap::new();
    for (lease, (gained, lost)) in moved {
        let before = leases.get(&lease).map_or(0, |lease| lease.keys);
        let after = (before + gained).saturating_sub(lost);
        if after > LEASE_KEYS_MAX {
            return Err(Rejection::TooManyLeaseKeys { lease, limit: LEASE_KEYS_MAX as u64 });
        }
        keys.insert(lease, after);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;

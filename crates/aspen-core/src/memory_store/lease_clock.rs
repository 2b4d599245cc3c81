//! Leases that end by the clock, when the store is next used.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::MutexGuard;

use super::leases::keys_of;
use super::{Contents, MemoryStore};
use crate::runtime::{self, Instant};
use crate::{
    ExpiringLease, LeaseGrant, LeaseId, LeaseRevocation, LeaseStatus, Leases, Pins, READ_KEYS_MAX,
    ReadError, Reply, Revision, SCAN_BYTES_MAX, WriteError, WriteFailure,
};

/// When leases end, of those that the clock ends.
#[derive(Debug, Default)]
pub(super) struct LeaseClock {
    pub(super) deadlines: BTreeMap<LeaseId, Instant>,
}

impl MemoryStore {
    /// Lets the clock end every lease that was granted as a group would grant it; each has its
    /// whole TTL from now on.
    pub fn start_lease_clocks(&self) {
        self.up_to_date().start_clocks();
    }

    /// The contents, without what has expired.
    pub(super) fn up_to_date(&self) -> MutexGuard<'_, Contents> {
        let mut contents = self.contents.lock();
        contents.expire_due();
        contents
    }
}

impl Contents {
    fn expire_due(&mut self) {
        let now = runtime::now();
        let due = |(lease, deadline): (&LeaseId, &Instant)| (*deadline <= now).then_some(*lease);
        let due: Vec<LeaseId> = self.clock.deadlines.iter().filter_map(due).collect();
        for lease in due {
            self.clock.deadlines.remove(&lease);
            if let Some(granted) = self.leases.granted.get(&lease) {
                let expiring = ExpiringLease { lease, grant: granted.grant };
                self.leases.expire(&mut self.history, &[expiring]);
            }
        }
    }

    /// Gives a deadline to every lease that a caller has just brought about, and forgets those that
    /// have ended.
    pub(super) fn start_clocks(&mut self) {
        let now = runtime::now();
        let Self { leases, clock, .. } = self;
        clock.deadlines.retain(|lease, _| leases.granted.contains_key(lease));
        for (lease, granted) in &leases.granted {
            let deadline = now + Duration::from_millis(granted.ttl_ms);
            clock.deadlines.entry(*lease).or_insert(deadline);
        }
    }

    fn keep_alive(&mut self, lease: LeaseId) -> Option<u64> {
        let ttl_ms = self.leases.granted.get(&lease)?.ttl_ms;
        self.clock.deadlines.insert(lease, runtime::now() + Duration::from_millis(ttl_ms));
        Some(ttl_ms)
    }

    fn status(&self, lease: LeaseId, with_keys: bool) -> Option<LeaseStatus> {
        let ttl_ms = self.leases.granted.get(&lease)?.ttl_ms;
        let deadline = self.clock.deadlines.get(&lease);
        let remaining = deadline.map(|at| at.saturating_duration_since(runtime::now()));
        let remaining_ms = remaining.map_or(ttl_ms, |left| left.as_millis() as u64);
        let mut keys = keys_of(&self.history.state_at(self.history.revision()), lease);
        let keys_attached = keys.len() as u64;
        let mut bytes = 0;
        keys.truncate(if with_keys { READ_KEYS_MAX } else { 0 });
        keys.retain(|key| {
            bytes += key.as_bytes().len();
            bytes <= SCAN_BYTES_MAX
        });
        Some(LeaseStatus { lease, ttl_ms, remaining_ms, keys_attached, keys })
    }
}

#[async_trait]
impl Leases for MemoryStore {
    async fn grant(&self, lease: Option<LeaseId>, ttl_ms: u64) -> Result<LeaseGrant, WriteError> {
        let lease = lease.unwrap_or_else(|| LeaseId::drawn(runtime::random_u64()));
        let mut contents = self.up_to_date();
        let reply = contents.leases.grant(lease, ttl_ms).unwrap_or_else(Reply::Rejected);
        contents.start_clocks();
        match reply {
            Reply::LeaseGranted { lease, ttl_ms } => Ok(LeaseGrant { lease, ttl_ms }),
            other => Err(refused(other)),
        }
    }

    async fn keep_alive(&self, leases: Vec<LeaseId>) -> Result<Vec<Option<u64>>, ReadError> {
        let mut contents = self.up_to_date();
        Ok(leases.into_iter().map(|lease| contents.keep_alive(lease)).collect())
    }

    async fn revoke(&self, lease: LeaseId) -> Result<LeaseRevocation, WriteError> {
        drop(self.up_to_date());
        match self.revoke_lease(lease) {
            Reply::LeaseRevoked { revision, keys } => Ok(LeaseRevocation { revision, keys }),
            other => Err(refused(other)),
        }
    }

    async fn time_to_live(
        &self,
        lease: LeaseId,
        with_keys: bool,
    ) -> Result<Option<LeaseStatus>, ReadError> {
        Ok(self.up_to_date().status(lease, with_keys))
    }

    async fn list(&self) -> Result<Vec<LeaseId>, ReadError> {
        let contents = self.up_to_date();
        Ok(contents.leases.granted.range(..LeaseId::PRIVATE_FIRST).map(|it| *it.0).collect())
    }
}

#[async_trait]
impl Pins for MemoryStore {
    async fn pin(
        &self,
        lease: LeaseId,
        revision: Option<Revision>,
    ) -> Result<Revision, WriteError> {
        drop(self.up_to_date());
        match self.pin_revision(lease, revision) {
            Reply::RevisionPinned { revision } => Ok(revision),
            other => Err(refused(other)),
        }
    }
}

fn refused(reply: Reply) -> WriteError {
    WriteError::not_applied(match reply {
        Reply::Rejected(rejection) => WriteFailure::Rejected(rejection),
        other => WriteFailure::Bug(format!("a lease command answered {other:?}")),
    })
}

//! Which leases there are, and what ends them.

use std::collections::BTreeMap;

use super::history::{History, State};
use crate::{
    DELETE_RANGE_KEYS_MAX, ExpiringLease, Key, LEASE_COUNT_MAX, LEASE_KEYS_MAX, LeaseId, Rejection,
    Reply, Revision, validate_ttl,
};

/// A lease: which grant of the group made it, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) grant: u64,
    pub(super) ttl_ms: u64,
}

/// The leases that are in force. Which keys they have only the state says.
#[derive(Clone, Debug, Default)]
pub(super) struct GrantedLeases {
    pub(super) granted: BTreeMap<LeaseId, Granted>,
    grants: u64,
}

/// A lease's keys.
pub(super) fn keys_of(state: &State, lease: LeaseId) -> Vec<Key> {
    let attached = state.values().filter(|entry| entry.lease == Some(lease));
    attached.map(|entry| entry.key.clone()).collect()
}

impl GrantedLeases {
    pub(super) fn grant(&mut self, lease: LeaseId, ttl_ms: u64) -> Result<Reply, Rejection> {
        let invalid = |error: crate::InvalidRequest| Rejection::Invalid(error.to_string());
        validate_ttl(ttl_ms).and_then(|()| lease.validate()).map_err(invalid)?;
        if lease == LeaseId::UNCHOSEN {
            return Err(Rejection::Invalid("no lease has the id 0".to_owned()));
        }
        if self.granted.contains_key(&lease) {
            return Err(Rejection::LeaseExists { lease });
        }
        if self.granted.len() == LEASE_COUNT_MAX {
            return Err(Rejection::TooManyLeases { limit: LEASE_COUNT_MAX as u64 });
        }
        self.add(lease, ttl_ms);
        Ok(Reply::LeaseGranted { lease, ttl_ms })
    }

    fn add(&mut self, lease: LeaseId, ttl_ms: u64) {
        self.granted.insert(lease, Granted { grant: self.grants, ttl_ms });
        self.grants += 1;
    }

    pub(super) fn revoke(
        &mut self,
        history: &mut History,
        lease: LeaseId,
    ) -> Result<Reply, Rejection> {
        if self.granted.remove(&lease).is_none() {
            return Err(Rejection::NoSuchLease { lease });
        }
        history.unpin(lease);
        let keys = delete_keys(history, &[lease]);
        Ok(Reply::LeaseRevoked { revision: history.revision(), keys })
    }

    pub(super) fn expire(&mut self, history: &mut History, leases: &[ExpiringLease]) -> Reply {
        let state = history.state_at(history.revision());
        let (mut ended, mut keys) = (Vec::new(), 0);
        for expiring in leases {
            let granted = self.granted.get(&expiring.lease);
            if granted.is_none_or(|granted| granted.grant != expiring.grant) {
                continue;
            }
            keys += keys_of(&state, expiring.lease).len();
            if keys > DELETE_RANGE_KEYS_MAX {
                break;
            }
            self.granted.remove(&expiring.lease);
            history.unpin(expiring.lease);
            ended.push(expiring.lease);
        }
        let keys = delete_keys(history, &ended);
        Reply::LeasesExpired { revision: history.revision(), leases: ended.len() as u64, keys }
    }

    pub(super) fn pin(
        &self,
        history: &mut History,
        lease: LeaseId,
        revision: Option<Revision>,
    ) -> Result<Reply, Rejection> {
        lease.validate().map_err(|error| Rejection::Invalid(error.to_string()))?;
        match self.granted.contains_key(&lease) {
            false => Err(Rejection::NoSuchLease { lease }),
            true => history.pin(lease, revision).map(|revision| Reply::RevisionPinned { revision }),
        }
    }

    /// What a transaction does to leases that turns one state into another, with a private lease
    /// for every key that it gave a TTL.
    ///
    /// # Errors
    /// When there would be too many leases or keys.
    pub(super) fn follow(
        &self,
        state: &State,
        private: &BTreeMap<LeaseId, u64>,
    ) -> Result<Self, Rejection> {
        let mut after = self.clone();
        let mut keys = BTreeMap::<LeaseId, usize>::new();
        for lease in state.values().filter_map(|entry| entry.lease) {
            *keys.entry(lease).or_default() += 1;
        }
        if let Some(lease) = keys.iter().find(|(_, count)| **count > LEASE_KEYS_MAX) {
            let (lease, limit) = (*lease.0, LEASE_KEYS_MAX as u64);
            return Err(Rejection::TooManyLeaseKeys { lease, limit });
        }
        after.granted.retain(|lease, _| !lease.is_private() || keys.contains_key(lease));
        for (lease, ttl_ms) in private.iter().filter(|(lease, _)| keys.contains_key(lease)) {
            after.add(*lease, *ttl_ms);
        }
        if after.granted.len() > LEASE_COUNT_MAX {
            return Err(Rejection::TooManyLeases { limit: LEASE_COUNT_MAX as u64 });
        }
        Ok(after)
    }
}

/// Deletes the keys of leases, at one revision; answers how many there were.
fn delete_keys(history: &mut History, leases: &[LeaseId]) -> u64 {
    let before = history.state_at(history.revision());
    let mut after = before.clone();
    after.retain(|_, entry| entry.lease.is_none_or(|lease| !leases.contains(&lease)));
    history.push(history.revision().next(), &before, &after);
    (before.len() - after.len()) as u64
}

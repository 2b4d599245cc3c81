//! The leases of a group, with the number of keys that each has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use aspen_core::LeaseId;

/// What a lease was granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseTerms {
    /// Which of the group's grants made it, counted from 0.
    pub grant: u64,
    /// Its time to live, in milliseconds.
    pub ttl_ms: u64,
}

/// A lease that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it was granted.
    pub terms: LeaseTerms,
    /// How many keys are attached to it.
    pub keys: usize,
}

/// A lease that was granted, or has ended (`None`).
pub type LeaseChange = (LeaseId, Option<LeaseTerms>);

/// The leases in force by id, which it reads as. The numbers of keys are worked out anew when it is
/// loaded: they decide what replicas answer, so none may trust what its own disk says of them.
#[derive(Clone, Debug, Default)]
pub struct LeaseTable {
    granted: BTreeMap<LeaseId, Lease>,
    grants: u64,
    /// Leases that were granted or have ended since someone last asked.
    changed: BTreeSet<LeaseId>,
}

/// Who has asked for changes is no part of the state.
impl PartialEq for LeaseTable {
    fn eq(&self, other: &Self) -> bool {
        (&self.granted, self.grants) == (&other.granted, other.grants)
    }
}

impl Eq for LeaseTable {}

impl Deref for LeaseTable {
    type Target = BTreeMap<LeaseId, Lease>;

    fn deref(&self) -> &Self::Target {
        &self.granted
    }
}

impl LeaseTable {
    /// The table that a group of so many grants has, before its keys are counted.
    pub fn load(grants: u64, leases: impl IntoIterator<Item = (LeaseId, LeaseTerms)>) -> Self {
        let granted = leases.into_iter().map(|(lease, terms)| (lease, Lease { terms, keys: 0 }));
        Self { granted: granted.collect(), grants, changed: BTreeSet::new() }
    }

    /// How many leases the group has ever granted.
    pub fn grants(&self) -> u64 {
        self.grants
    }

    /// Counts keys of a lease. Answers whether there is such a lease.
    pub fn attach(&mut self, lease: LeaseId, keys: usize) -> bool {
        let found = self.granted.get_mut(&lease);
        found.map(|lease| lease.keys += keys).is_some()
    }

    /// Grants a lease that is not in force.
    pub(super) fn grant(&mut self, lease: LeaseId, ttl_ms: u64) {
        let terms = LeaseTerms { grant: self.grants, ttl_ms };
        self.grants += 1;
        self.granted.insert(lease, Lease { terms, keys: 0 });
        self.changed.insert(lease);
    }

    /// Ends a lease.
    pub(super) fn end(&mut self, lease: LeaseId) {
        if self.granted.remove(&lease).is_some() {
            self.changed.insert(lease);
        }
    }

    /// Sets how many keys a lease has.
    pub(super) fn set_keys(&mut self, lease: LeaseId, keys: usize) {
        if let Some(lease) = self.granted.get_mut(&lease) {
            lease.keys = keys;
        }
    }

    /// What was granted and has ended since this was last asked: each lease as it is now.
    pub(super) fn take_changes(&mut self) -> Vec<LeaseChange> {
        let changed = std::mem::take(&mut self.changed);
        let now = |lease: LeaseId| self.granted.get(&lease).map(|lease| lease.terms);
        changed.into_iter().map(|lease| (lease, now(lease))).collect()
    }
}

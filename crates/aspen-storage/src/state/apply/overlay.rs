//! What a running transaction has changed, laid over the tables.

use std::collections::{BTreeMap, btree_map};

use aspen_core::{Key, KeyRange, KeyValue, LeaseId, Revision, Value};

use super::merged_scan::MergedScan;
use crate::state::{Live, StateError, Tables, Version};

/// The changes of one transaction, one for each key: exactly what [`Tables::commit`] takes.
pub(super) struct Overlay {
    /// The revision that the transaction becomes.
    pub(super) revision: Revision,
    /// What each changed key becomes; `None` for a deletion.
    pub(super) changes: BTreeMap<Key, Option<Live>>,
    /// The leases that changed keys had before, of those that had one.
    pub(super) leases_before: BTreeMap<Key, LeaseId>,
    /// Whether any put named a lease.
    pub(super) attaches: bool,
    /// The private leases of keys that were given a TTL, with that TTL.
    pub(super) private: BTreeMap<LeaseId, u64>,
}

impl Overlay {
    pub(super) fn new(revision: Revision) -> Self {
        Self {
            revision,
            changes: BTreeMap::new(),
            leases_before: BTreeMap::new(),
            attaches: false,
            private: BTreeMap::new(),
        }
    }

    /// A key as the transaction sees it.
    pub(super) fn get<T: Tables + ?Sized>(
        &self,
        tables: &T,
        key: &Key,
    ) -> Result<Option<KeyValue>, StateError> {
        match self.changes.get(key) {
            Some(change) => Ok(changed_entry(key, change, self.revision)),
            None => Ok(tables.latest(key)?.and_then(|version| version.to_key_value(key))),
        }
    }

    /// Sets a key; answers its version and creation. The version rises once per transaction.
    pub(super) fn put<T: Tables + ?Sized>(
        &mut self,
        tables: &T,
        key: Key,
        value: Value,
        lease: Option<LeaseId>,
    ) -> Result<(u64, Revision), StateError> {
        let revision = self.revision;
        self.attaches |= lease.is_some();
        match self.changes.entry(key) {
            btree_map::Entry::Vacant(entry) => {
                let before = tables.latest_summary(entry.key())?;
                if let Some(lease) = before.and_then(|before| before.lease) {
                    self.leases_before.insert(entry.key().clone(), lease);
                }
                let (version, create_revision) = before
                    .and_then(|before| before.live)
                    .map_or((1, revision), |(version, created)| (version + 1, created));
                entry.insert(Some(Live { value, version, create_revision, lease }));
                Ok((version, create_revision))
            }
            btree_map::Entry::Occupied(mut entry) => {
                let (version, create_revision) = entry
                    .get()
                    .as_ref()
                    .map_or((1, revision), |live| (live.version, live.create_revision));
                entry.insert(Some(Live { value, version, create_revision, lease }));
                Ok((version, create_revision))
            }
        }
    }

    /// Removes a key; answers whether it existed.
    pub(super) fn delete<T: Tables + ?Sized>(
        &mut self,
        tables: &T,
        key: Key,
    ) -> Result<bool, StateError> {
        let (exists, lease) = match self.changes.get(&key) {
            Some(change) => (change.is_some(), None),
            None => match tables.latest_summary(&key)? {
                Some(latest) => (latest.live.is_some(), latest.lease),
                None => (false, None),
            },
        };
        if exists {
            self.delete_existing(tables, key, lease)?;
        }
        Ok(exists)
    }

    /// Removes a key that exists. Nothing stays behind of one that the transaction itself created;
    /// one that was there before, deleted and created anew, stays deleted. `lease` is the key's
    /// when the transaction has not changed it before.
    pub(super) fn delete_existing<T: Tables + ?Sized>(
        &mut self,
        tables: &T,
        key: Key,
        lease: Option<LeaseId>,
    ) -> Result<(), StateError> {
        let revision = self.revision;
        match self.changes.entry(key) {
            btree_map::Entry::Vacant(entry) => {
                if let Some(lease) = lease {
                    self.leases_before.insert(entry.key().clone(), lease);
                }
                entry.insert(None);
            }
            btree_map::Entry::Occupied(mut entry) => {
                let created_here =
                    entry.get().as_ref().is_some_and(|live| live.create_revision == revision);
                if created_here && !is_live(tables, entry.key())? {
                    entry.remove();
                } else {
                    entry.insert(None);
                }
            }
        }
        Ok(())
    }

    /// The existing keys of a range as the transaction sees them. `wanted` is how many the caller
    /// expects to take at most; it may take more.
    pub(super) fn scan<'a, T: Tables + ?Sized>(
        &'a self,
        tables: &'a T,
        range: &KeyRange,
        wanted: usize,
    ) -> MergedScan<'a, T> {
        let changed = self.changes.range::<[u8], _>(range.bounds());
        MergedScan::new(tables, range, changed, self.revision, wanted)
    }
}

fn is_live<T: Tables + ?Sized>(tables: &T, key: &Key) -> Result<bool, StateError> {
    Ok(tables.latest_summary(key)?.is_some_and(|latest| latest.live.is_some()))
}

/// A changed key as the transaction sees it.
pub(super) fn changed_entry(
    key: &Key,
    change: &Option<Live>,
    revision: Revision,
) -> Option<KeyValue> {
    Version { mod_revision: revision, live: change.clone() }.to_key_value(key)
}

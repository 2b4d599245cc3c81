//! Tables in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use aspen_core::{
    Key, KeyRange, KeyValue, LeaseId, ReadBytes, ReadReply, Revision, ScanOrder, ScanPage,
    ScanRequest, WatchPosition,
};

use super::changes::{Changes, ChangesBuilder, ChangesRequest, includes};
use super::{GroupState, Lease, Live, PageBuilder, PinTable, StateError, Tables, Version};

/// Tables in memory: every key with its versions, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTables {
    group: GroupState,
    keys: BTreeMap<Key, Vec<Version>>,
    /// Each lease with the keys attached to it.
    leased: BTreeMap<LeaseId, BTreeSet<Key>>,
}

impl MemoryTables {
    /// Empty tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tables of these registers and keys, as a snapshot holds them; counts the keys of leases.
    pub(super) fn from_parts(mut group: GroupState, keys: BTreeMap<Key, Vec<Version>>) -> Self {
        let mut leased = BTreeMap::<LeaseId, BTreeSet<Key>>::new();
        for (key, versions) in &keys {
            if let Some(lease) = lease_of(versions) {
                leased.entry(lease).or_default().insert(key.clone());
                group.leases.attach(lease, 1);
            }
        }
        Self { group, keys, leased }
    }

    /// Every key with its versions, oldest first.
    pub(super) fn versions(&self) -> impl Iterator<Item = (&Key, &Vec<Version>)> {
        self.keys.iter()
    }

    /// Reads keys at the current revision, or at a past one.
    ///
    /// # Errors
    /// When the revision is compacted or in the future, or the answer would be too large.
    pub fn read(&self, keys: &[Key], at: Option<Revision>) -> Result<ReadReply, StateError> {
        let revision = self.group.resolve(at)?;
        let mut bytes = ReadBytes::default();
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            let versions = self.keys.get(key);
            let found = versions.and_then(|versions| entry_at(key, versions, revision));
            found.as_ref().map_or(Ok(()), |entry| bytes.charge(entry))?;
            values.push(found);
        }
        Ok(ReadReply { revision, values })
    }

    /// The changes after a position.
    ///
    /// # Errors
    /// When some of them are compacted.
    pub fn changes(&self, request: &ChangesRequest) -> Result<Changes, StateError> {
        let current = self.group.revision;
        self.group.readable().resolve_history(Some(request.after.complete().min(current)))?;
        let until = request.until.min(current);
        if request.after >= WatchPosition::through(until) {
            return Ok(Changes::none(request.after.clone()));
        }
        let mut builder = ChangesBuilder::new(request);
        for ((revision, key), live) in self.changes_after(request, until) {
            if !builder.has_room() {
                return Ok(builder.cut());
            }
            let Ok(()) = builder.visit(revision, key, || Ok::<_, Infallible>(live.clone()));
        }
        Ok(builder.complete(until))
    }

    fn changes_after(
        &self,
        request: &ChangesRequest,
        until: Revision,
    ) -> BTreeMap<(Revision, &Key), &Option<Live>> {
        let keys = self.keys.range::<[u8], _>(request.range.bounds());
        let versions = keys.flat_map(|(key, versions)| versions.iter().map(move |it| (key, it)));
        versions
            .filter(|(key, it)| !includes(&request.after, it.mod_revision, key))
            .filter(|(_, it)| it.mod_revision <= until)
            .map(|(key, it)| ((it.mod_revision, key), &it.live))
            .collect()
    }

    /// Reads a page at the current revision, or at a past one.
    ///
    /// # Errors
    /// When the revision is compacted or in the future.
    pub fn scan(
        &self,
        request: &ScanRequest,
        at: Option<Revision>,
    ) -> Result<ScanPage, StateError> {
        let revision = self.group.resolve(at)?;
        let range = request.remaining_range();
        let mut page = PageBuilder::new(request);
        let entries = self
            .keys
            .range::<[u8], _>(range.bounds())
            .filter_map(|(key, versions)| entry_at(key, versions, revision));
        match request.order {
            ScanOrder::Forward => fill(&mut page, entries),
            ScanOrder::Reverse => fill(&mut page, entries.rev()),
        }
        Ok(page.finish(revision))
    }

    /// What is wrong with the tables, nothing when all is well.
    pub fn check_integrity(&self) -> Vec<String> {
        let keys = self.keys.iter().filter_map(|(key, versions)| self.fault(key, versions));
        keys.chain(self.lease_faults()).chain(self.pin_faults()).collect()
    }

    /// Every pin is held by a lease in force.
    fn pin_faults(&self) -> impl Iterator<Item = String> {
        let pins = self.group.pins.iter();
        let lost = pins.filter(|(at, lease)| {
            *at > self.group.revision || !self.group.leases.contains_key(lease)
        });
        lost.map(|(at, lease)| format!("revision {at} is pinned ahead, or to no lease: {lease}"))
    }

    /// Every key of a lease is counted, and every lease that has keys is in force.
    fn lease_faults(&self) -> Vec<String> {
        let mut counted: BTreeMap<LeaseId, usize> = BTreeMap::new();
        for lease in self.keys.values().filter_map(|versions| lease_of(versions)) {
            *counted.entry(lease).or_default() += 1;
        }
        let ids: BTreeSet<&LeaseId> =
            counted.keys().chain(self.group.leases.keys()).chain(self.leased.keys()).collect();
        let fault = |lease: &&LeaseId| {
            let keys = counted.get(lease).copied();
            let granted = self.group.leases.get(lease).map(|lease| lease.keys);
            let listed = self.leased.get(lease).map(BTreeSet::len);
            let later = |lease: &Lease| lease.terms.grant >= self.group.leases.grants();
            let sound = granted == Some(keys.unwrap_or(0))
                && listed == keys
                && !self.group.leases.get(lease).is_some_and(later);
            (!sound)
                .then(|| format!("lease {lease} has {keys:?} keys, not {granted:?}, {listed:?}"))
        };
        ids.iter().filter_map(fault).collect()
    }

    fn fault(&self, key: &Key, versions: &[Version]) -> Option<String> {
        let ordered = versions.is_sorted_by(|a, b| a.mod_revision < b.mod_revision);
        let known = versions.last().is_some_and(|last| last.mod_revision <= self.group.revision);
        match (ordered, known) {
            (true, true) => None,
            (false, _) => Some(format!("versions of {key} are out of order")),
            (_, false) => Some(format!("{key} has no version, or one above the revision")),
        }
    }
}

/// The lease that a key's newest version is attached to.
fn lease_of(versions: &[Version]) -> Option<LeaseId> {
    versions.last()?.live.as_ref()?.lease
}

fn fill(page: &mut PageBuilder, mut entries: impl Iterator<Item = KeyValue>) {
    // `any` stops at the key that completes the page.
    let _complete = entries.any(|entry| page.push(entry));
}

fn entry_at(key: &Key, versions: &[Version], revision: Revision) -> Option<KeyValue> {
    let after = versions.partition_point(|version| version.mod_revision <= revision);
    versions[..after].last()?.to_key_value(key)
}

impl MemoryTables {
    /// Moves a key from the lease that it is attached to now to another.
    fn attach(&mut self, key: &Key, lease: Option<LeaseId>) {
        if let Some(before) = self.keys.get(key).and_then(|versions| lease_of(versions))
            && let Some(keys) = self.leased.get_mut(&before)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.leased.remove(&before);
            }
        }
        if let Some(lease) = lease {
            self.leased.entry(lease).or_default().insert(key.clone());
        }
    }
}

impl Tables for MemoryTables {
    fn group(&self) -> &GroupState {
        &self.group
    }

    fn group_mut(&mut self) -> &mut GroupState {
        &mut self.group
    }

    fn latest(&self, key: &Key) -> Result<Option<Version>, StateError> {
        let newest = self.keys.get(key).and_then(|versions| versions.last());
        // A deletion at or before the horizon stays only to end what a pin reads.
        let is_visible = |it: &&Version| it.live.is_some() || it.mod_revision > self.group.horizon;
        Ok(newest.filter(is_visible).cloned())
    }

    fn scan_latest(&self, range: &KeyRange, limit: usize) -> Result<Vec<KeyValue>, StateError> {
        let entries = self.keys.range::<[u8], _>(range.bounds());
        let latest = entries.filter_map(|(key, versions)| versions.last()?.to_key_value(key));
        Ok(latest.take(limit).collect())
    }

    fn changed_after(
        &self,
        range: &KeyRange,
        revision: Revision,
    ) -> Result<Option<(Key, Revision)>, StateError> {
        let mut entries = self.keys.range::<[u8], _>(range.bounds());
        Ok(entries.find_map(|(key, versions)| {
            let last = versions.last()?.mod_revision;
            (last > revision).then(|| (key.clone(), last))
        }))
    }

    fn leased(&self, lease: LeaseId, limit: usize) -> Result<Vec<Key>, StateError> {
        Ok(self.leased.get(&lease).into_iter().flatten().take(limit).cloned().collect())
    }

    fn commit(
        &mut self,
        revision: Revision,
        changes: BTreeMap<Key, Option<Live>>,
    ) -> Result<(), StateError> {
        for (key, live) in changes {
            self.attach(&key, live.as_ref().and_then(|live| live.lease));
            self.keys.entry(key).or_default().push(Version { mod_revision: revision, live });
        }
        Ok(())
    }

    fn compact(&mut self, horizon: Revision) -> Result<(), StateError> {
        let pins = &self.group.pins;
        self.keys.retain(|_, versions| {
            compact_versions(versions, horizon, pins);
            !versions.is_empty()
        });
        Ok(())
    }
}

/// Keeps the versions that readers at the horizon and at pinned revisions below it see, and all
/// later ones. A deletion at or before the horizon stays only where an earlier version does.
fn compact_versions(versions: &mut Vec<Version>, horizon: Revision, pins: &PinTable) {
    let after = versions.partition_point(|version| version.mod_revision <= horizon);
    let mut kept: Vec<Version> = Vec::new();
    for (place, version) in versions[..after].iter().enumerate() {
        let is_read = match versions[..after].get(place + 1) {
            Some(next) => pins.any_in(version.mod_revision, next.mod_revision),
            None => true,
        };
        if is_read && (version.live.is_some() || kept.last().is_some_and(|it| it.live.is_some())) {
            kept.push(version.clone());
        }
    }
    versions.splice(..after, kept);
}

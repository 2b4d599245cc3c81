//! Recent changes in memory: what the log covers and the body does not hold yet.

use std::collections::btree_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aspen_core::{ClientId, Key, KeyRange, KeyValue, LeaseId, Revision, ScanOrder};

use super::registers::Registers;
use super::warm::Warm;
use crate::state::{AppliedState, LeaseTerms, Live, Session, StateOptions, Summary, Version};

/// What a version costs beside its bytes: nodes, counters, allocations. Measured roughly; it keeps
/// a flood of tiny keys within the limit.
const VERSION_OVERHEAD_BYTES: usize = 200;

/// What an attachment to a lease costs beside its key. Measured roughly.
const LEASED_OVERHEAD_BYTES: usize = 150;

/// How many keys of the head one step of a scan takes along at most.
const HEAD_CHUNK_KEYS_MAX: usize = 1024;

/// A key's versions since the last flush.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// Superseded ones, oldest first; most keys have none.
    pub(super) older: Vec<Version>,
    pub(super) newest: Version,
}

impl Chain {
    /// The newest version at or below a revision.
    fn at(&self, at: Revision) -> Option<&Version> {
        if self.newest.mod_revision <= at {
            return Some(&self.newest);
        }
        let after = self.older.partition_point(|version| version.mod_revision <= at);
        self.older[..after].last()
    }

    /// Every version, oldest first.
    pub(super) fn versions(&self) -> impl Iterator<Item = &Version> {
        self.older.iter().chain([&self.newest])
    }
}

/// Changes in the order of keys, and in the order of revisions.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) keys: BTreeMap<Key, Chain>,
    changes: Vec<(Revision, Key)>,
    /// Each lease with the keys whose newest version here is attached to it.
    leased: BTreeMap<LeaseId, BTreeSet<Key>>,
    bytes: usize,
}

impl Layer {
    /// Adds one revision's changes.
    pub(super) fn commit(&mut self, revision: Revision, changes: BTreeMap<Key, Option<Live>>) {
        for (key, live) in changes {
            let value_bytes = live.as_ref().map_or(0, |live| live.value.len());
            self.bytes += key.as_bytes().len() + value_bytes + VERSION_OVERHEAD_BYTES;
            self.changes.push((revision, key.clone()));
            let lease = live.as_ref().and_then(|live| live.lease);
            if let Some(lease) = lease {
                self.leased.entry(lease).or_default().insert(key.clone());
                self.bytes += key.as_bytes().len() + LEASED_OVERHEAD_BYTES;
            }
            let version = Version { mod_revision: revision, live };
            match self.keys.entry(key) {
                MapEntry::Vacant(entry) => {
                    entry.insert(Chain { older: Vec::new(), newest: version });
                }
                MapEntry::Occupied(mut entry) => {
                    let chain = entry.get_mut();
                    let superseded = std::mem::replace(&mut chain.newest, version);
                    let before = superseded.live.as_ref().and_then(|live| live.lease);
                    chain.older.push(superseded);
                    if let Some(before) = before.filter(|before| Some(*before) != lease) {
                        detach(&mut self.leased, before, entry.key());
                    }
                }
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its changes, by revision and key.
    pub(super) fn changes_in_order(&self) -> &[(Revision, Key)] {
        &self.changes
    }

    /// A key's newest version at or below a revision, of those that the layer holds.
    pub(super) fn at(&self, key: &Key, at: Revision) -> Option<&Version> {
        self.keys.get(key)?.at(at)
    }

    /// The keys whose newest version here is attached to a lease.
    fn leased(&self, lease: LeaseId) -> impl Iterator<Item = &Key> {
        self.leased.get(&lease).into_iter().flatten()
    }

    /// How many versions it holds.
    pub(super) fn changes(&self) -> usize {
        self.changes.len()
    }

    fn range(&self, range: &KeyRange) -> std::collections::btree_map::Range<'_, Key, Chain> {
        self.keys.range::<[u8], _>(range.bounds())
    }

    /// The first key of the range changed after a revision, with its newest change.
    fn changed_after(&self, range: &KeyRange, revision: Revision) -> Option<(&Key, Revision)> {
        let from = self.changes.partition_point(|(at, _)| *at <= revision);
        let later = &self.changes[from..];
        // Few later changes: look through them. Many: the range itself meets one soon.
        let (key, chain) = if later.len() <= self.keys.len() / 16 {
            let keys = later.iter().map(|(_, key)| key);
            let first = keys.filter(|key| range.contains(key.as_bytes())).min()?;
            self.keys.get_key_value(first)?
        } else {
            self.range(range).find(|(_, chain)| chain.newest.mod_revision > revision)?
        };
        Some((key, chain.newest.mod_revision))
    }
}

/// Takes a key from its lease.
fn detach(leased: &mut BTreeMap<LeaseId, BTreeSet<Key>>, lease: LeaseId, key: &Key) {
    if let MapEntry::Occupied(mut entry) = leased.entry(lease) {
        entry.get_mut().remove(key);
        if entry.get().is_empty() {
            entry.remove();
        }
    }
}

/// A layer on its way to the body, with everything that becomes durable with it.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) layer: Layer,
    pub(super) registers: Registers,
    /// Sessions that changed, `None` for those that ended.
    pub(super) sessions: BTreeMap<ClientId, Option<Session>>,
    /// Leases that were granted, `None` for those that have ended.
    pub(super) leases: BTreeMap<LeaseId, Option<LeaseTerms>>,
}

/// Everything that is read without the body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) active: Layer,
    pub(super) frozen: Option<Arc<Frozen>>,
    /// Newest versions that the body holds.
    pub(super) warm: Warm<Version>,
    /// Summaries of newest versions that the body holds.
    pub(super) summaries: Warm<Summary>,
    /// What readers may see: changes above its revision belong to an entry being applied.
    pub(super) registers: Registers,
    /// What the body holds.
    pub(super) flushed: AppliedState,
    /// The revision up to which the body holds everything. A read transaction begun before it was
    /// reached misses changes that the head no longer has.
    pub(super) body_revision: Revision,
    /// Which database file is the body.
    pub(super) generation: u64,
}

/// A stretch of the head that a scan takes along.
pub(super) struct Chunk {
    /// Keys with a version at the scan's revision, in the scan's order, deletions included.
    pub(super) entries: Vec<(Key, Version)>,
    /// What follows the stretch; `None` when the head has no more.
    pub(super) rest: Option<KeyRange>,
    /// The part of the range that the stretch covers.
    pub(super) covers: KeyRange,
    /// What the body must hold for the two to make one state.
    pub(super) body_revision: Revision,
}

impl Head {
    /// An empty head over a body.
    pub(super) fn new(registers: Registers, generation: u64, options: &StateOptions) -> Self {
        Self {
            active: Layer::default(),
            frozen: None,
            warm: Warm::new(options.warm_bytes_max),
            summaries: Warm::new(options.summary_bytes_max),
            flushed: registers.applied.clone(),
            body_revision: registers.revision,
            registers,
            generation,
        }
    }

    /// Bytes of both layers.
    pub(super) fn bytes(&self) -> usize {
        self.active.bytes + self.frozen.as_ref().map_or(0, |frozen| frozen.layer.bytes)
    }

    /// Whether writers must wait for the flush.
    pub(super) fn is_full(&self, layer_bytes_max: usize) -> bool {
        self.frozen.is_some() && self.active.bytes >= layer_bytes_max
    }

    /// A key's newest version at or below a revision; `None` when only the body knows.
    pub(super) fn at(&self, key: &Key, at: Revision) -> Option<&Version> {
        let recent = self.layers().find_map(|layer| layer.at(key, at));
        recent.or_else(|| self.warm.get(key).filter(|version| version.mod_revision <= at))
    }

    /// A summary of a key's newest version; `None` when only the body knows.
    pub(super) fn summary(&self, key: &Key) -> Option<Summary> {
        let recent = self.layers().find_map(|layer| layer.keys.get(key));
        let recent = recent.map(|chain| Summary::from(&chain.newest));
        recent.or_else(|| self.summaries.get(key).copied())
    }

    /// The keys of a lease, in order, given those that the body names. What the head knows of a key
    /// is newer than the body.
    pub(super) fn leased(&self, lease: LeaseId, in_body: Vec<Key>) -> BTreeSet<Key> {
        let here = |key: &Key| self.layers().find_map(|layer| layer.keys.get(key));
        let mut keys: BTreeSet<Key> =
            in_body.into_iter().filter(|key| here(key).is_none()).collect();
        for key in self.layers().flat_map(|layer| layer.leased(lease)) {
            let newest = here(key).and_then(|chain| chain.newest.live.as_ref());
            if newest.is_some_and(|live| live.lease == Some(lease)) {
                keys.insert(key.clone());
            }
        }
        keys
    }

    /// Takes over the newest versions of some keys of a layer that has reached the body.
    pub(super) fn absorb(&mut self, keys: &[(&Key, &Chain)]) {
        self.warm.absorb(keys);
        self.summaries.absorb(keys);
    }

    /// Keeps what a reader found in the body at a revision, if it is surely the newest there: the
    /// body holds nothing later, and no layer with a later version is just moving into it.
    pub(super) fn keep_warm(&mut self, entry: &KeyValue, at: Revision) {
        let moving = |frozen: &Arc<Frozen>| frozen.layer.keys.contains_key(&entry.key);
        if self.body_revision <= at && !self.frozen.as_ref().is_some_and(moving) {
            self.warm.insert(entry.key.clone(), Version::of(entry));
        }
    }

    /// The first key of the range changed after a revision, with its newest change, of those that
    /// changed since the last flush.
    pub(super) fn changed_after(
        &self,
        range: &KeyRange,
        revision: Revision,
    ) -> Option<(Key, Revision)> {
        let found = self.layers().filter_map(|layer| layer.changed_after(range, revision));
        // The active layer comes first, so for one key its change wins.
        let first = found.reduce(|a, b| if b.0 < a.0 { b } else { a });
        first.map(|(key, at)| (key.clone(), at))
    }

    /// Newest first.
    fn layers(&self) -> impl Iterator<Item = &Layer> {
        [&self.active].into_iter().chain(self.frozen.as_ref().map(|frozen| &frozen.layer))
    }

    /// The first stretch of a range at a revision, of at most `keys_max` keys.
    pub(super) fn chunk(
        &self,
        range: &KeyRange,
        order: ScanOrder,
        at: Revision,
        keys_max: usize,
    ) -> Chunk {
        let keys_max = keys_max.clamp(1, HEAD_CHUNK_KEYS_MAX);
        let nothing = Layer::default();
        let frozen = self.frozen.as_ref().map_or(&nothing, |frozen| &frozen.layer);
        let (active, frozen) = (self.active.range(range), frozen.range(range));
        let mut entries = Vec::new();
        let last = match order {
            ScanOrder::Forward => {
                take(merge(active, frozen, |a, b| a < b), at, keys_max, &mut entries)
            }
            ScanOrder::Reverse => {
                let merged = merge(active.rev(), frozen.rev(), |a, b| a > b);
                take(merged, at, keys_max, &mut entries)
            }
        };
        let (covers, rest) = split(range, order, last);
        Chunk { entries, rest, covers, body_revision: self.body_revision }
    }
}

/// Takes keys until there are enough; answers the last one when it stopped early.
fn take<'a>(
    merged: impl Iterator<Item = (&'a Key, Option<&'a Chain>, Option<&'a Chain>)>,
    at: Revision,
    keys_max: usize,
    entries: &mut Vec<(Key, Version)>,
) -> Option<Key> {
    let mut seen = 0;
    for (key, active, frozen) in merged {
        let version = active.and_then(|chain| chain.at(at));
        let version = version.or_else(|| frozen.and_then(|chain| chain.at(at)));
        entries.extend(version.map(|version| (key.clone(), version.clone())));
        seen += 1;
        if seen == keys_max {
            return Some(key.clone());
        }
    }
    None
}

/// Splits a range behind `last` in the scan's order.
fn split(range: &KeyRange, order: ScanOrder, last: Option<Key>) -> (KeyRange, Option<KeyRange>) {
    let Some(last) = last else { return (range.clone(), None) };
    let (mut covers, mut rest) = (range.clone(), range.clone());
    match order {
        ScanOrder::Forward => {
            rest.start = last.successor();
            covers.end = Some(last.successor());
        }
        ScanOrder::Reverse => {
            covers.start = last.clone().into_bytes();
            rest.end = Some(last.into_bytes());
        }
    }
    (covers, Some(rest))
}

/// Merges two layers key by key; `before` is the order of both.
fn merge<'a>(
    active: impl Iterator<Item = (&'a Key, &'a Chain)>,
    frozen: impl Iterator<Item = (&'a Key, &'a Chain)>,
    before: impl Fn(&Key, &Key) -> bool,
) -> impl Iterator<Item = (&'a Key, Option<&'a Chain>, Option<&'a Chain>)> {
    let (mut active, mut frozen) = (active.peekable(), frozen.peekable());
    std::iter::from_fn(move || {
        let (takes_active, takes_frozen) = match (active.peek(), frozen.peek()) {
            (Some((a, _)), Some((b, _))) => (!before(b, a), !before(a, b)),
            (a, b) => (a.is_some(), b.is_some()),
        };
        let a = if takes_active { active.next() } else { None };
        let b = if takes_frozen { frozen.next() } else { None };
        let key = a.or(b)?.0;
        Some((key, a.map(|(_, chain)| chain), b.map(|(_, chain)| chain)))
    })
}

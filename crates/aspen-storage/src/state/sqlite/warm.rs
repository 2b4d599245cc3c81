//! Newest versions that the body holds, kept in memory: whole ones for point reads, and summaries,
//! of which far more fit, for writes that only need to know what they replace.

use std::collections::HashMap;

use aspen_core::Key;

use super::head::Chain;
use crate::state::{Summary, Version};

/// What an entry costs beside its bytes: a slot, counters, allocations. Measured roughly.
const ENTRY_OVERHEAD_BYTES: usize = 160;

/// The same for a summary, which has no allocation but its key's.
const SUMMARY_OVERHEAD_BYTES: usize = 120;

/// What a cache keeps for a key.
pub(super) trait Kept: for<'a> From<&'a Version> {
    /// What an entry counts against the limit.
    fn entry_bytes(&self, key_bytes: usize) -> usize;
}

impl Kept for Version {
    fn entry_bytes(&self, key_bytes: usize) -> usize {
        let value_bytes = self.live.as_ref().map_or(0, |live| live.value.len());
        key_bytes + value_bytes + ENTRY_OVERHEAD_BYTES
    }
}

impl From<&Version> for Version {
    fn from(version: &Version) -> Self {
        version.clone()
    }
}

impl Kept for Summary {
    fn entry_bytes(&self, key_bytes: usize) -> usize {
        key_bytes + SUMMARY_OVERHEAD_BYTES
    }
}

/// A bounded cache in two generations: what is used again is written or read into the young one;
/// when that is full it becomes the old one, and the old one is forgotten.
///
/// An entry is of the newest version of its key in the body, or is shadowed by a newer one in the
/// head. The flush thread keeps it so: before the head lets a layer go, its versions are here.
#[derive(Debug)]
pub(super) struct Warm<K> {
    young: HashMap<Key, K>,
    old: HashMap<Key, K>,
    young_bytes: usize,
    bytes_max: usize,
}

impl<K: Kept> Warm<K> {
    /// An empty cache of at most `bytes_max` bytes; 0 keeps nothing.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_bytes: 0, bytes_max }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&K> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Keeps what there is to keep of a key's newest version.
    pub(super) fn insert(&mut self, key: Key, kept: K) {
        let key_bytes = key.as_bytes().len();
        let bytes = kept.entry_bytes(key_bytes);
        if let Some(replaced) = self.young.remove(&key) {
            self.young_bytes -= replaced.entry_bytes(key_bytes);
        }
        if bytes > self.bytes_max / 2 {
            // Too long to keep; an older version must not stay in its place.
            self.old.remove(&key);
            return;
        }
        if self.young_bytes + bytes > self.bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young.insert(key, kept);
        self.young_bytes += bytes;
    }

    /// Keeps the newest versions of some keys of a layer.
    pub(super) fn absorb(&mut self, keys: &[(&Key, &Chain)]) {
        for (key, chain) in keys {
            self.insert((*key).clone(), K::from(&chain.newest));
        }
    }
}

#[cfg(test)]
mod tests {
    use aspen_core::{Revision, Value};

    use super::*;
    use crate::state::Live;

    fn key(number: usize) -> Key {
        Key::new(format!("k{number:04}")).unwrap()
    }

    fn version(revision: u64, len: usize) -> Version {
        let value = Value::new(vec![0; len]).unwrap();
        let create_revision = Revision::new(1);
        let live = Some(Live { value, version: 1, create_revision, lease: None });
        Version { mod_revision: Revision::new(revision), live }
    }

    #[test]
    fn a_full_cache_forgets_what_was_kept_longest_ago() {
        let mut warm = Warm::<Version>::new(10_000);
        for number in 0..100 {
            warm.insert(key(number), version(number as u64 + 1, 100));
        }
        assert!(warm.get(&key(0)).is_none());
        assert!(warm.get(&key(99)).is_some());
        assert!(warm.young.len() + warm.old.len() <= 10_000 / 100);
    }

    #[test]
    fn a_newer_version_replaces_an_older_one_in_either_generation() {
        let mut warm = Warm::<Version>::new(2_000);
        warm.insert(key(0), version(1, 100));
        for number in 1..5 {
            warm.insert(key(number), version(2, 100));
        }
        warm.insert(key(0), version(9, 100));
        assert_eq!(warm.get(&key(0)).map(|it| it.mod_revision), Some(Revision::new(9)));
    }

    #[test]
    fn entries_that_grow_stay_within_the_bound() {
        let mut warm = Warm::<Version>::new(20_000);
        for (revision, len) in [(1, 0), (2, 4_000)] {
            for number in 0..40 {
                warm.insert(key(number), version(revision, len));
            }
        }
        let kept = warm.young.values().chain(warm.old.values());
        let bytes: usize = kept.map(|version| version.entry_bytes(5)).sum();
        assert!(bytes <= 20_000, "{bytes}");
    }

    #[test]
    fn more_summaries_than_versions_fit() {
        let (mut versions, mut summaries) =
            (Warm::<Version>::new(20_000), Warm::<Summary>::new(20_000));
        for number in 0..100 {
            versions.insert(key(number), version(1, 1_000));
            summaries.insert(key(number), Summary::from(&version(number as u64 + 1, 1_000)));
        }
        assert!(versions.get(&key(50)).is_none());
        let summary = summaries.get(&key(50)).unwrap();
        assert_eq!(
            (summary.mod_revision, summary.live),
            (Revision::new(51), Some((1, Revision::new(1))))
        );
    }

    #[test]
    fn a_version_too_long_to_keep_leaves_no_older_one_behind() {
        let mut warm = Warm::<Version>::new(2_000);
        warm.insert(key(0), version(1, 100));
        warm.insert(key(0), version(2, 5_000));
        assert!(warm.get(&key(0)).is_none());
    }
}

//! Which watches a change concerns.

use std::collections::{BTreeMap, BTreeSet};

use aspen_core::{Key, KeyRange, WatchFilter, WatchId};
use bytes::Bytes;

/// One watch.
#[derive(Clone, Debug)]
pub(super) struct Watcher {
    pub(super) range: KeyRange,
    pub(super) filter: WatchFilter,
    /// Whether it wants the state before each change.
    pub(super) previous: bool,
}

/// Watches by what they watch. Most watch one key, or share their range with many others.
#[derive(Debug, Default)]
pub(super) struct Index {
    keys: BTreeMap<Bytes, BTreeSet<WatchId>>,
    /// By start and end of the range.
    ranges: BTreeMap<(Bytes, Option<Bytes>), BTreeSet<WatchId>>,
}

impl Index {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.ranges.is_empty()
    }

    pub(super) fn insert(&mut self, id: WatchId, range: &KeyRange) {
        match single_key(range) {
            Some(key) => self.keys.entry(key).or_default().insert(id),
            None => {
                self.ranges.entry((range.start.clone(), range.end.clone())).or_default().insert(id)
            }
        };
    }

    pub(super) fn remove(&mut self, id: WatchId, range: &KeyRange) {
        match single_key(range) {
            Some(key) => remove_from(&mut self.keys, &key, id),
            None => remove_from(&mut self.ranges, &(range.start.clone(), range.end.clone()), id),
        }
    }

    /// The watches whose range has the key.
    pub(super) fn concerned(&self, key: &Key) -> impl Iterator<Item = WatchId> {
        let exact = self.keys.get(key.as_bytes()).into_iter().flatten();
        let begin_before = self
            .ranges
            .range(..=(Bytes::copy_from_slice(key.as_bytes()), None))
            .chain(self.starting_at(key));
        let around = begin_before
            .filter(|((_, end), _)| end.as_ref().is_none_or(|end| key.as_bytes() < &end[..]))
            .flat_map(|(_, ids)| ids);
        exact.chain(around).copied()
    }

    /// Ranges with an end that start at the key itself: they come after those without an end.
    fn starting_at(
        &self,
        key: &Key,
    ) -> impl Iterator<Item = (&(Bytes, Option<Bytes>), &BTreeSet<WatchId>)> {
        let start = Bytes::copy_from_slice(key.as_bytes());
        let first = (start.clone(), Some(Bytes::new()));
        self.ranges.range(first..).take_while(move |((from, _), _)| *from == start)
    }

    /// The smallest range that holds all of them.
    pub(super) fn hull(&self) -> KeyRange {
        let ends = [self.keys.last_key_value().map(|(key, _)| successor(key))];
        let open = self.ranges.keys().any(|(_, end)| end.is_none());
        let range_ends = self.ranges.keys().filter_map(|(_, end)| end.clone());
        let starts = [self.keys.first_key_value().map(|(key, _)| key.clone())];
        let range_start = self.ranges.first_key_value().map(|((start, _), _)| start.clone());
        KeyRange {
            start: starts.into_iter().flatten().chain(range_start).min().unwrap_or_default(),
            end: if open { None } else { ends.into_iter().flatten().chain(range_ends).max() },
        }
    }
}

fn remove_from<K: Ord>(map: &mut BTreeMap<K, BTreeSet<WatchId>>, key: &K, id: WatchId) {
    if let Some(ids) = map.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            map.remove(key);
        }
    }
}

/// The only key that a range can hold.
fn single_key(range: &KeyRange) -> Option<Bytes> {
    let end = range.end.as_ref()?;
    (end.len() == range.start.len() + 1 && end.ends_with(&[0]) && end.starts_with(&range.start))
        .then(|| range.start.clone())
}

fn successor(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn range() -> impl Strategy<Value = KeyRange> {
        let key = proptest::collection::vec(0_u8..3, 1..3);
        let end = proptest::option::of(proptest::collection::vec(0_u8..3, 1..3));
        prop_oneof![
            (key.clone(), end).prop_map(|(start, end)| KeyRange {
                start: start.into(),
                end: end.map(Bytes::from),
            }),
            key.prop_map(|key| KeyRange::single(&Key::new(key).unwrap())),
        ]
    }

    proptest! {
        /// The index finds what looking at every range finds, and the hull holds all of it.
        #[test]
        fn it_finds_the_watches_of_a_key(
            ranges in proptest::collection::vec(range(), 0..12),
            removed in 0_usize..12,
            key in proptest::collection::vec(0_u8..3, 1..4),
        ) {
            let key = Key::new(key).unwrap();
            let mut index = Index::default();
            for (id, range) in ranges.iter().enumerate() {
                index.insert(WatchId(id as u64), range);
            }
            if let Some(range) = ranges.get(removed) {
                index.remove(WatchId(removed as u64), range);
            }
            let expected: BTreeSet<_> = ranges.iter().enumerate()
                .filter(|(id, range)| *id != removed && range.contains(key.as_bytes()))
                .map(|(id, _)| WatchId(id as u64))
                .collect();
            let found: Vec<_> = index.concerned(&key).collect();
            prop_assert_eq!(found.len(), expected.len(), "each once");
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected.clone());
            prop_assert!(expected.is_empty() || index.hull().contains(key.as_bytes()));
        }
    }
}

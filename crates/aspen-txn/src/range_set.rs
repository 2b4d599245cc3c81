//! Sets of keys made of ranges.

use std::collections::BTreeMap;
use std::ops::Bound;

use aspen_core::KeyRange;
use bytes::Bytes;

/// A set of keys as half-open ranges that neither overlap nor touch, in key order.
#[derive(Clone, Debug, Default)]
pub(crate) struct RangeSet {
    /// Start (inclusive) to end (exclusive; `None`: to the last key).
    ranges: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
}

impl RangeSet {
    /// Adds the keys of a range.
    pub(crate) fn insert(&mut self, range: KeyRange) {
        if range.is_empty() {
            return;
        }
        let mut merged = range;
        while let Some((start, end)) = self.last_reaching(&merged) {
            self.remove(&start);
            merged.start = merged.start.min(start);
            merged.end = later(merged.end, end);
        }
        self.bytes += range_bytes(&merged.start, merged.end.as_ref());
        self.ranges.insert(merged.start, merged.end);
    }

    /// The last range that overlaps or touches the given one.
    fn last_reaching(&self, range: &KeyRange) -> Option<(Bytes, Option<Bytes>)> {
        let until = match &range.end {
            Some(end) => Bound::Included(&end[..]),
            None => Bound::Unbounded,
        };
        let mut before = self.ranges.range::<[u8], _>((Bound::Unbounded, until));
        let (start, end) = before.next_back()?;
        let reaches = end.as_ref().is_none_or(|end| *end >= range.start);
        reaches.then(|| (start.clone(), end.clone()))
    }

    fn remove(&mut self, start: &Bytes) {
        if let Some(end) = self.ranges.remove(start) {
            self.bytes -= range_bytes(start, end.as_ref());
        }
    }

    /// Whether the key is in the set.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        let mut before = self.ranges.range::<[u8], _>((Bound::Unbounded, Bound::Included(key)));
        before.next_back().is_some_and(|(_, end)| end.as_ref().is_none_or(|end| key < &end[..]))
    }

    /// The parts of a range that are not in the set, in key order.
    pub(crate) fn gaps(&self, range: &KeyRange) -> Vec<KeyRange> {
        let mut gaps = Vec::new();
        let mut from = range.start.clone();
        for (start, end) in self.around(range) {
            if from < *start {
                gaps.push(KeyRange { start: from.clone(), end: Some(start.clone()) });
            }
            match end {
                Some(end) => from = from.max(end.clone()),
                None => return gaps,
            }
        }
        let rest = KeyRange { start: from, end: range.end.clone() };
        gaps.extend((!rest.is_empty()).then_some(rest));
        gaps
    }

    /// The ranges that begin before the end of `range` and end after its start.
    fn around(&self, range: &KeyRange) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        let start = &range.start[..];
        let mut before = self.ranges.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(start)));
        let reaches = |end: &Option<Bytes>| end.as_ref().is_none_or(|end| &end[..] > start);
        let overlapping = before.next_back().filter(|(_, end)| reaches(end));
        overlapping.into_iter().chain(self.ranges.range::<[u8], _>(range.bounds()))
    }

    /// The ranges, in key order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = KeyRange> {
        let ranges = self.ranges.iter();
        ranges.map(|(start, end)| KeyRange { start: start.clone(), end: end.clone() })
    }

    /// How many ranges there are.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether no key is in the set.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The bytes of all bounds.
    pub(crate) fn len_bytes(&self) -> usize {
        self.bytes
    }
}

fn later(a: Option<Bytes>, b: Option<Bytes>) -> Option<Bytes> {
    Some(a?.max(b?))
}

fn range_bytes(start: &Bytes, end: Option<&Bytes>) -> usize {
    start.len() + end.map_or(0, Bytes::len)
}

/// What two ranges have in common.
pub(crate) fn intersection(a: &KeyRange, b: &KeyRange) -> KeyRange {
    let start = a.start.clone().max(b.start.clone());
    let end = match (&a.end, &b.end) {
        (Some(a), Some(b)) => Some(a.clone().min(b.clone())),
        (end, None) | (None, end) => end.clone(),
    };
    KeyRange { start, end }
}

#[cfg(test)]
mod tests;

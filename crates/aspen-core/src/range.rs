//! Half-open ranges of keys.

use std::ops::Bound;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Key;

/// The keys in `[start, end)`, ordered as bytes; no `end` means "to the last key". Ranges
/// themselves are ordered by their starts; among the same starts one without an end comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyRange {
    /// The first key, inclusive; empty means from the first key of all.
    pub start: Bytes,
    /// The end, exclusive.
    pub end: Option<Bytes>,
}

impl KeyRange {
    /// Every key.
    pub const fn all() -> Self {
        Self { start: Bytes::new(), end: None }
    }

    /// `[start, end)`.
    pub fn half_open(start: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// `start` and every key after it.
    pub fn from_key(start: impl Into<Bytes>) -> Self {
        Self { start: start.into(), end: None }
    }

    /// Exactly one key.
    pub fn single(key: &Key) -> Self {
        Self { start: key.clone().into_bytes(), end: Some(key.successor()) }
    }

    /// Every key that begins with `prefix`; all keys when it is empty or all `0xff`.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let start = prefix.into();
        let end = prefix_end(&start);
        Self { start, end }
    }

    /// Whether the key lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= &self.start[..] && self.end.as_ref().is_none_or(|end| key < &end[..])
    }

    /// Whether no key can lie in the range.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end <= &self.start)
    }

    /// The bounds for an ordered map of keys. Never inverted: an empty range gives equal bounds,
    /// for which a map yields nothing instead of panicking.
    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let start = Bound::Included(&self.start[..]);
        match &self.end {
            Some(end) if end <= &self.start => (start, Bound::Excluded(&self.start[..])),
            Some(end) => (start, Bound::Excluded(&end[..])),
            None => (start, Bound::Unbounded),
        }
    }
}

/// The first bytes after every string with this prefix: drop trailing `0xff`, add one to the last.
fn prefix_end(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_ranges_end_after_the_last_string_with_the_prefix() {
        assert_eq!(KeyRange::prefix("ab").end.as_deref(), Some(&b"ac"[..]));
        assert_eq!(KeyRange::prefix(&b"a\xff"[..]).end.as_deref(), Some(&b"b"[..]));
        assert_eq!(KeyRange::prefix(&b"\xff\xff"[..]).end, None);
        assert!(KeyRange::prefix(&b"a\xff"[..]).contains(b"a\xff\xff"));
        assert!(!KeyRange::prefix(&b"a\xff"[..]).contains(b"b"));
    }

    #[test]
    fn an_inverted_range_is_empty_and_its_bounds_are_safe() {
        let range = KeyRange::half_open("b", "a");
        assert!(range.is_empty());
        let map = std::collections::BTreeMap::from([(b"a".to_vec(), ()), (b"b".to_vec(), ())]);
        assert_eq!(map.range::<[u8], _>(range.bounds()).count(), 0);
    }

    #[test]
    fn a_single_key_range_holds_only_that_key() {
        let key = Key::try_from("k").unwrap();
        assert!(KeyRange::single(&key).contains(b"k"));
        assert!(!KeyRange::single(&key).contains(b"k\0"));
    }
}

//! The existing keys of a range as a running transaction sees them.

use std::collections::{VecDeque, btree_map};
use std::iter::Peekable;

use aspen_core::{Key, KeyRange, KeyValue, Revision};

use super::overlay::changed_entry;
use crate::state::{Live, StateError, Tables};

/// A transaction's changes in a range, in key order.
type Changes<'a> = btree_map::Range<'a, Key, Option<Live>>;

/// A merge of the tables with the overlay, in key order; the overlay wins.
pub(super) struct MergedScan<'a, T: ?Sized> {
    stored: StoredScan<'a, T>,
    changed: Peekable<Changes<'a>>,
    revision: Revision,
}

impl<'a, T: Tables + ?Sized> MergedScan<'a, T> {
    /// Lays the changes of a range over the tables' keys.
    pub(super) fn new(
        tables: &'a T,
        range: &KeyRange,
        changed: Changes<'a>,
        revision: Revision,
        wanted: usize,
    ) -> Self {
        let stored = StoredScan::new(tables, range.clone(), wanted);
        Self { stored, changed: changed.peekable(), revision }
    }

    /// The next existing key.
    pub(super) fn next(&mut self) -> Result<Option<KeyValue>, StateError> {
        loop {
            let stored = self.stored.peek()?;
            let takes_change = match (stored, self.changed.peek()) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(stored), Some((key, _))) => **key <= stored.key,
            };
            if !takes_change {
                return Ok(self.stored.take());
            }
            let Some((key, change)) = self.changed.next() else { return Ok(None) };
            self.stored.skip(key);
            if let Some(entry) = changed_entry(key, change, self.revision) {
                return Ok(Some(entry));
            }
        }
    }
}

/// The first chunk of a scan, in keys, and the largest. What a chunk may weigh is bounded by the
/// largest value; a range of small keys soon gets large chunks.
const CHUNK_KEYS_MIN: usize = 16;
const CHUNK_KEYS_MAX: usize = 1024;

/// What a chunk should weigh, in bytes.
const CHUNK_BYTES: usize = 1024 * 1024;

/// The tables' existing keys of a range, fetched in chunks so that a long range of large values is
/// never in memory as a whole.
struct StoredScan<'a, T: ?Sized> {
    tables: &'a T,
    rest: KeyRange,
    chunk: VecDeque<KeyValue>,
    chunk_keys: usize,
    exhausted: bool,
}

impl<'a, T: Tables + ?Sized> StoredScan<'a, T> {
    fn new(tables: &'a T, rest: KeyRange, wanted: usize) -> Self {
        let chunk_keys = wanted.clamp(1, CHUNK_KEYS_MIN);
        Self { tables, rest, chunk: VecDeque::new(), chunk_keys, exhausted: false }
    }

    fn peek(&mut self) -> Result<Option<&KeyValue>, StateError> {
        if self.chunk.is_empty() && !self.exhausted {
            self.fetch()?;
        }
        Ok(self.chunk.front())
    }

    fn take(&mut self) -> Option<KeyValue> {
        self.chunk.pop_front()
    }

    /// Drops the next key when it is this one.
    fn skip(&mut self, key: &Key) {
        if self.chunk.front().is_some_and(|entry| entry.key == *key) {
            self.chunk.pop_front();
        }
    }

    fn fetch(&mut self) -> Result<(), StateError> {
        self.chunk = self.tables.scan_latest(&self.rest, self.chunk_keys)?.into();
        self.exhausted = self.chunk.len() < self.chunk_keys;
        if let Some(last) = self.chunk.back() {
            self.rest.start = last.key.successor();
        }
        let bytes: usize = self.chunk.iter().map(KeyValue::len_bytes).sum();
        let mean = bytes / self.chunk.len().max(1) + 1;
        self.chunk_keys = (CHUNK_BYTES / mean).clamp(CHUNK_KEYS_MIN, CHUNK_KEYS_MAX);
        Ok(())
    }
}

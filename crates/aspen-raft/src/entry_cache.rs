//! The newest entries of a log in memory, so that followers and `apply` need not read the file.

use std::collections::VecDeque;
use std::ops::Range;

use crate::types::RaftEntry;
use crate::wire::entry_len_bytes;

/// A gapless run of the log's newest entries, bounded by bytes. It may be empty, and it always ends
/// where the log ends or is empty. Entries that are not durable yet are nowhere else and stay,
/// whatever the bound; how many there can be is bounded by the proposals in flight.
#[derive(Debug)]
pub(crate) struct EntryCache {
    entries: VecDeque<RaftEntry>,
    len_bytes: usize,
    bytes_max: usize,
    /// The index after the last entry that is durable.
    durable_end: u64,
}

impl EntryCache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { entries: VecDeque::new(), len_bytes: 0, bytes_max, durable_end: 0 }
    }

    /// Adds entries that the log takes next.
    pub(crate) fn push(&mut self, entries: impl IntoIterator<Item = RaftEntry>) {
        for entry in entries {
            let follows =
                self.entries.back().is_none_or(|last| last.log_id.index + 1 == entry.log_id.index);
            if !follows {
                self.clear();
            }
            self.len_bytes += entry_len_bytes(&entry);
            self.entries.push_back(entry);
        }
    }

    /// Everything before `end` is durable now; drops the oldest of it to stay within the bound.
    pub(crate) fn set_durable(&mut self, end: u64) {
        self.durable_end = self.durable_end.max(end);
        while self.len_bytes > self.bytes_max && self.front_is_durable() {
            self.pop_front();
        }
    }

    fn front_is_durable(&self) -> bool {
        self.entries.front().is_some_and(|entry| entry.log_id.index < self.durable_end)
    }

    /// The index after the newest entry; 0 when there is none.
    pub(crate) fn end(&self) -> u64 {
        self.entries.back().map_or(0, |entry| entry.log_id.index + 1)
    }

    /// Forgets every entry at `from` and after it.
    pub(crate) fn truncate(&mut self, from: u64) {
        self.durable_end = self.durable_end.min(from);
        while self.entries.back().is_some_and(|entry| entry.log_id.index >= from) {
            if let Some(entry) = self.entries.pop_back() {
                self.len_bytes -= entry_len_bytes(&entry);
            }
        }
    }

    /// Forgets every entry up to and including `upto`.
    pub(crate) fn purge(&mut self, upto: u64) {
        while self.entries.front().is_some_and(|entry| entry.log_id.index <= upto) {
            self.pop_front();
        }
    }

    /// The entries of a range, as many as fit `bytes_max` but at least one; `None` when the range
    /// does not begin within the cache.
    pub(crate) fn read(&self, range: Range<u64>, bytes_max: usize) -> Option<Vec<RaftEntry>> {
        let first = self.entries.front()?.log_id.index;
        let skip = usize::try_from(range.start.checked_sub(first)?).ok()?;
        if skip >= self.entries.len() {
            return None;
        }
        let within = self.entries.range(skip..);
        let within = within.take_while(|entry| entry.log_id.index < range.end);
        Some(fitting(within, bytes_max).cloned().collect())
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.len_bytes -= entry_len_bytes(&entry);
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.len_bytes = 0;
    }
}

/// The longest prefix whose entries stay within `bytes_max` together, at least one entry.
pub(crate) fn fitting<'a>(
    entries: impl Iterator<Item = &'a RaftEntry>,
    bytes_max: usize,
) -> impl Iterator<Item = &'a RaftEntry> {
    let mut total: usize = 0;
    entries.enumerate().map_while(move |(position, entry)| {
        total = total.saturating_add(entry_len_bytes(entry));
        (position == 0 || total <= bytes_max).then_some(entry)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::types::{EncodedBatch, LeaderId, LogId};

    fn entry(index: u64, len: usize) -> RaftEntry {
        let leader_id = LeaderId { term: 1, node_id: 1 };
        let payload = openraft::EntryPayload::Normal(EncodedBatch(vec![0; len].into()));
        RaftEntry { log_id: LogId { leader_id, index }, payload }
    }

    fn indexes(entries: Option<Vec<RaftEntry>>) -> Option<Vec<u64>> {
        entries.map(|entries| entries.iter().map(|entry| entry.log_id.index).collect())
    }

    #[test]
    fn serves_what_it_holds_and_nothing_else() {
        let mut cache = EntryCache::new(10_000);
        cache.push((5..10).map(|index| entry(index, 10)));
        assert_eq!(indexes(cache.read(5..8, usize::MAX)), Some(vec![5, 6, 7]));
        assert_eq!(indexes(cache.read(4..8, usize::MAX)), None);
        assert_eq!(indexes(cache.read(10..12, usize::MAX)), None);
        cache.truncate(8);
        assert_eq!(indexes(cache.read(6..20, usize::MAX)), Some(vec![6, 7]));
        cache.purge(6);
        assert_eq!(indexes(cache.read(6..20, usize::MAX)), None);
    }

    #[test]
    fn stays_within_its_bytes() {
        let mut cache = EntryCache::new(1_000);
        cache.push((0..100).map(|index| entry(index, 100)));
        cache.set_durable(100);
        assert!(cache.len_bytes <= 1_000);
        assert_eq!(indexes(cache.read(99..100, usize::MAX)), Some(vec![99]));
        assert_eq!(indexes(cache.read(0..100, usize::MAX)), None);
    }

    #[test]
    fn a_read_is_cut_by_bytes_but_never_empty() {
        let mut cache = EntryCache::new(10_000);
        cache.push((0..5).map(|index| entry(index, 100)));
        assert_eq!(indexes(cache.read(0..5, 1)), Some(vec![0]));
        assert_eq!(indexes(cache.read(0..5, 300)), Some(vec![0, 1]));
    }

    #[test]
    fn what_is_not_durable_stays() {
        let mut cache = EntryCache::new(1_000);
        cache.push((0..100).map(|index| entry(index, 100)));
        cache.set_durable(40);
        assert_eq!(indexes(cache.read(40..41, usize::MAX)), Some(vec![40]));
        assert_eq!(indexes(cache.read(39..40, usize::MAX)), None);
        cache.truncate(50);
        cache.push((50..60).map(|index| entry(index, 100)));
        cache.set_durable(60);
        assert!(cache.len_bytes <= 1_000);
    }

    #[test]
    fn a_gap_starts_the_run_anew() {
        let mut cache = EntryCache::new(10_000);
        cache.push([entry(0, 1), entry(7, 1)]);
        assert_eq!(indexes(cache.read(0..1, usize::MAX)), None);
        assert_eq!(indexes(cache.read(7..8, usize::MAX)), Some(vec![7]));
    }
}

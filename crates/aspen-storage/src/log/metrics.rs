//! What a log store did since it was opened.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of a [`RedbLogStore`](super::RedbLogStore) since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogMetrics {
    /// Durable commits.
    pub commits: u64,
    /// Writes that these commits answered: appends, truncations, votes.
    pub writes: u64,
    /// Entries appended.
    pub entries: u64,
    /// Bytes of payload appended.
    pub bytes: u64,
    /// Duration of the last commit, in microseconds.
    pub commit_us_last: u64,
    /// Duration of all commits together, in microseconds.
    pub commit_us_total: u64,
    /// Writes that wait for the writer now.
    pub queue_len: usize,
    /// Rows of purged entries that still take space in the file.
    pub rows_purgeable: usize,
}

impl LogMetrics {
    /// The mean duration of a commit, in microseconds; 0 before the first.
    pub fn commit_us_mean(&self) -> u64 {
        self.commit_us_total.checked_div(self.commits).unwrap_or(0)
    }

    /// The mean number of entries that share a commit; 0 before the first.
    pub fn entries_per_commit(&self) -> f64 {
        if self.commits == 0 { 0.0 } else { self.entries as f64 / self.commits as f64 }
    }
}

/// The live counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    commits: AtomicU64,
    writes: AtomicU64,
    entries: AtomicU64,
    bytes: AtomicU64,
    commit_us_last: AtomicU64,
    commit_us_total: AtomicU64,
}

impl Counters {
    /// Counts a commit.
    pub(super) fn count(&self, writes: usize, entries: usize, bytes: u64, commit_us: u64) {
        self.commits.fetch_add(1, Relaxed);
        self.writes.fetch_add(writes as u64, Relaxed);
        self.entries.fetch_add(entries as u64, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.commit_us_last.store(commit_us, Relaxed);
        self.commit_us_total.fetch_add(commit_us, Relaxed);
    }

    /// The counters now, with what only the store knows.
    pub(super) fn snapshot(&self, queue_len: usize, rows_purgeable: usize) -> LogMetrics {
        LogMetrics {
            commits: self.commits.load(Relaxed),
            writes: self.writes.load(Relaxed),
            entries: self.entries.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            commit_us_last: self.commit_us_last.load(Relaxed),
            commit_us_total: self.commit_us_total.load(Relaxed),
            queue_len,
            rows_purgeable,
        }
    }
}

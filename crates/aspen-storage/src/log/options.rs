//! The settings of a log store.

use serde::{Deserialize, Serialize};

/// Settings of a [`RedbLogStore`](super::RedbLogStore); every one may differ between nodes.
///
/// Two choices are fixed rather than settings, because the log is the only place where a node's
/// promises become durable:
///
/// * Every commit is *immediate* and *one-phase with checksums*: one sync a commit. After a crash
///   the newer of the file's two commit slots counts if all its checksums hold. Two-phase commit
///   would need two syncs (a third fewer commits a second) to close a hole that only an attacker
///   who writes chosen log entries and cuts the power can use. The price: when the file was not
///   closed in order, damage to the newest commit looks like a commit that was cut short, and the
///   one before it counts.
/// * No *quick-repair*: it would make each commit save the allocator's state (half the commits a
///   second) so that opening after a crash need not read the whole file. The log is purged to tens
///   of megabytes, which opening reads anyway to rebuild its index, so the repair costs little.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogOptions {
    /// Bytes of pages that redb keeps in memory, half of them for pages not yet written. More makes
    /// reads of old entries and very large commits cheaper; less leaves memory to the state
    /// machine, and recent entries are cached above the log anyway.
    pub cache_bytes: usize,
    /// Writes that may wait for the writer, over all groups. More absorbs bursts of many groups;
    /// less makes a slow disk felt by the callers sooner.
    pub queue_max: usize,
    /// Writes that one commit may merge. More shares one sync between more waiters; less answers
    /// the first of them sooner.
    pub batch_max: usize,
    /// Bytes of payload after which a commit takes no further write. More shares one sync between
    /// more waiters; less bounds the memory and the length of one commit.
    pub batch_bytes_max: usize,
    /// Rows of purged entries that one commit removes. More gives a big purge's space back in fewer
    /// commits; less keeps the waiters of each of these commits from waiting long.
    pub purge_chunk_rows: usize,
    /// Free bytes of the file system below which appends fail with
    /// [`LogError::DiskFull`](super::LogError::DiskFull) before they touch the file. More keeps
    /// room for votes, purges and the state machine's own files; less uses more of the disk.
    pub disk_reserve_bytes: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 8 << 20,
            queue_max: 1_024,
            batch_max: 1_024,
            batch_bytes_max: 32 << 20,
            purge_chunk_rows: 4_096,
            disk_reserve_bytes: 32 << 20,
        }
    }
}

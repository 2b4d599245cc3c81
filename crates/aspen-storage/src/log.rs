//! The Raft log: one group's view of it, and the stores behind the view.
//!
//! A write goes handle → writer → file: [`GroupLog`]'s methods send a request and wait; the writer
//! plans one commit from all requests that wait, makes it durable, shows it to readers and answers.

mod core;
mod disk;
mod error;
mod group;
mod header;
mod memory;
mod metrics;
mod options;
mod plan;
mod recovery;
mod request;
mod row;
mod slots;
mod store;
mod sweep;
mod view;
mod writer;

#[cfg(test)]
mod tests;

use std::ops::Range;

use aspen_core::LogIndex;
use async_trait::async_trait;
use bytes::Bytes;

pub use disk::LogDisk;
pub use memory::MemoryLogStore;
pub use metrics::LogMetrics;
pub use options::LogOptions;
pub use plan::RECORD_BYTES_MAX;
pub use store::{LogCheck, RedbLogStore};

/// One entry: its position and its opaque content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The position.
    pub index: LogIndex,
    /// The content, encoded by consensus, with its term inside.
    pub payload: Bytes,
}

/// What a group finds in its log when it opens, and asks for afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// The last entry's position; `None` when the log holds no entries (it may have been purged).
    pub last: Option<LogIndex>,
    /// What [`GroupLog::purge`] was last given: position and marker.
    pub purged: Option<(LogIndex, Bytes)>,
    /// The bytes of payload that the log holds.
    pub len_bytes: u64,
}

/// A log that could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The file system failed; nothing that was acknowledged is lost.
    #[error("log storage: {0}")]
    Io(String),
    /// The disk is full; appends fail until there is room.
    #[error("log storage: disk is full: {0}")]
    DiskFull(String),
    /// Stored bytes fail a check.
    #[error("log is corrupt: {0}")]
    Corrupt(String),
    /// The file belongs to another process, program version or cluster.
    #[error("log cannot be opened: {0}")]
    Incompatible(String),
    /// The caller broke the contract (a gap between entries, a purge beyond the end).
    #[error("log misuse: {0}")]
    Misuse(String),
    /// The writer has stopped after an earlier failure or at shutdown.
    #[error("log writer has stopped: {0}")]
    Stopped(String),
}

impl From<LogError> for std::io::Error {
    fn from(error: LogError) -> Self {
        std::io::Error::other(error)
    }
}

/// Hears how a write went. It may be called on the writer's own thread, which it must not hold up.
pub type Completion = Box<dyn FnOnce(Result<(), LogError>) + Send>;

/// One group's log. Cheap to clone behind an `Arc`; calls of one group come one at a time except
/// reads, which may run beside anything.
#[async_trait]
pub trait GroupLog: Send + Sync + 'static {
    /// The log's ends, from memory.
    fn state(&self) -> LogState;

    /// Appends entries that follow the last one without a gap. Returns once they are durable:
    /// acknowledging earlier loses acknowledged writes when a node restarts.
    async fn append(&self, records: Vec<LogRecord>) -> Result<(), LogError>;

    /// Like [`GroupLog::append`], but returns once the write has its place before all later ones;
    /// `completion` is called once it is durable or has failed, exactly once, in the order of the
    /// writes. Until then neither [`GroupLog::state`] nor [`GroupLog::read`] shows the entries, and
    /// a crash may lose them.
    async fn append_begin(&self, records: Vec<LogRecord>, completion: Completion) {
        completion(self.append(records).await);
    }

    /// The entries of a range, in order and without gaps, from its start; fewer when they pass
    /// `bytes_max` (at least one is returned) or the log ends.
    async fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<LogRecord>, LogError>;

    /// Removes every entry at `from` and after it, durably.
    async fn truncate(&self, from: LogIndex) -> Result<(), LogError>;

    /// Removes every entry up to and including `upto`, and keeps `marker` with the position. The
    /// log may then be empty, or start beyond `upto` when a snapshot replaced it. Durable with the
    /// next durable write at the latest.
    async fn purge(&self, upto: LogIndex, marker: Bytes) -> Result<(), LogError>;

    /// Keeps the group's vote, durably.
    async fn save_vote(&self, vote: Bytes) -> Result<(), LogError>;

    /// The kept vote, from memory.
    fn vote(&self) -> Option<Bytes>;

    /// Keeps the committed position; needs no sync of its own and may be lost.
    async fn save_committed(&self, committed: Option<Bytes>) -> Result<(), LogError>;

    /// The kept committed position, from memory.
    fn committed(&self) -> Option<Bytes>;
}

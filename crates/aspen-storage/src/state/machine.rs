//! One group's state machine as consensus and readers see it.

use std::path::PathBuf;

use aspen_core::runtime::watch;
use aspen_core::{
    Key, LeaseId, LogIndex, ReadReply, Reply, Revision, ScanPage, ScanRequest, SqlError, SqlReply,
    SqlRequest,
};
use async_trait::async_trait;
use bytes::Bytes;

use super::changes::{Changes, ChangesRequest};
use super::{LeaseFeed, LeaseTerms, StateError};

/// A place in the log, with consensus' own encoding of it (term and leader inside).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The index.
    pub index: LogIndex,
    /// The encoded log id.
    pub marker: Bytes,
}

/// One committed entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it stands in the log.
    pub position: Position,
    /// What it does.
    pub payload: EntryPayload,
}

/// What a committed entry does.
#[derive(Clone, Debug)]
pub enum EntryPayload {
    /// Nothing: a new leader's first entry.
    Blank,
    /// An encoded [`aspen_core::ProposalBatch`].
    Batch(Bytes),
    /// The group's membership from here on, encoded by consensus.
    Membership(Bytes),
}

/// How far the state has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppliedState {
    /// The last entry applied.
    pub position: Option<Position>,
    /// The last membership applied: where, and what.
    pub membership: Option<(Position, Bytes)>,
}

/// A finished snapshot in a file, verified when it was built or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len_bytes: u64,
    /// What it covers.
    pub applied: AppliedState,
}

/// The keys of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedKeys {
    /// How many there are.
    pub count: usize,
    /// The first of them, in order.
    pub keys: Vec<Key>,
}

/// One group's replicated state. Shared behind an `Arc`; reads run beside everything.
#[async_trait]
pub trait StateMachine: Send + Sync + 'static {
    /// How far the state has come, from memory. After a restart: how far the durable state has.
    fn applied(&self) -> AppliedState;

    /// The state's revision, from memory.
    fn revision(&self) -> Revision;

    /// Applies committed entries in order; answers the replies of each entry's proposals (none for
    /// blank and membership entries). Once it returns, reads see them.
    async fn apply(&self, entries: Vec<Entry>) -> Result<Vec<Vec<Reply>>, StateError>;

    /// Reads several requests' keys at the current revision, or each at its own past revision.
    /// One call for many waiting readers: the hop to a reader thread is paid once. A request whose
    /// answer would exceed [`aspen_core::READ_BYTES_MAX`] fails by itself, while it is collected.
    async fn read(
        &self,
        requests: Vec<(Vec<aspen_core::Key>, Option<Revision>)>,
    ) -> Vec<Result<ReadReply, StateError>>;

    /// Reads a page at the current revision, or at the past revision that the caller resolved.
    async fn scan(
        &self,
        request: ScanRequest,
        at: Option<Revision>,
    ) -> Result<ScanPage, StateError>;

    /// Answers read-only SQL: everything applied before the call is seen, or, of a stale request,
    /// what the durable state holds. The caller has waited for whatever else its consistency needs.
    ///
    /// # Errors
    /// [`SqlError::Unsupported`] when this state machine has no SQL.
    async fn sql(&self, request: SqlRequest) -> Result<SqlReply, SqlError>;

    /// The changes after a position, recent ones from memory, older ones from history. An answer
    /// may be cut at any change: ask again from where it ends.
    ///
    /// # Errors
    /// [`StateError::Compacted`] when some of them are gone.
    async fn changes(&self, request: ChangesRequest) -> Result<Changes, StateError>;

    /// The state's revision, as it moves. Ends with the state machine.
    fn revisions(&self) -> watch::Receiver<Revision>;

    /// News of the leases that entries have granted and ended, for whoever keeps their deadlines.
    fn lease_feed(&self) -> &LeaseFeed;

    /// Every lease in force, by id.
    async fn leases(&self) -> Result<Vec<(LeaseId, LeaseTerms)>, StateError>;

    /// The keys of a lease, at most `keys_max` of them by name; `None` when it is not in force.
    async fn leased(
        &self,
        lease: LeaseId,
        keys_max: usize,
    ) -> Result<Option<LeasedKeys>, StateError>;

    /// Makes everything applied durable without the log's help, and says how far that is. The log
    /// may be purged up to there.
    async fn flush(&self) -> Result<AppliedState, StateError>;

    /// How far the durable state has come: what [`StateMachine::flush`] or a background flush last
    /// reached, from memory.
    fn flushed(&self) -> AppliedState;

    /// Builds a snapshot file of the state, without stopping writers.
    async fn build_snapshot(&self) -> Result<SnapshotFile, StateError>;

    /// The newest complete snapshot file on disk.
    async fn latest_snapshot(&self) -> Result<Option<SnapshotFile>, StateError>;

    /// Where an incoming snapshot is to be written before it is installed. Files left there by an
    /// interrupted transfer are removed when the state machine opens.
    fn incoming_path(&self) -> PathBuf;

    /// Verifies a snapshot file (every block's CRC32, the whole digest) and replaces the state by
    /// it, durably and atomically; a file that fails its checks changes nothing and is reported as
    /// corrupt.
    async fn install_snapshot(&self, path: PathBuf) -> Result<AppliedState, StateError>;

    /// Checks the durable state: the database's own integrity check and our invariants. Answers
    /// what is wrong, nothing when all is well.
    async fn check_integrity(&self) -> Result<Vec<String>, StateError>;

    /// Bytes of recent changes that only memory and the log hold.
    fn head_bytes(&self) -> usize;

    /// Flushes and stops the background work; further calls fail with `Stopped`.
    async fn close(&self) -> Result<(), StateError>;
}

//! The vocabulary of Aspen: what a key, a revision, a command and an error are, and the traits by
//! which the other crates meet without knowing each other.
//!
//! * A *group* ([`GroupId`]) is one replicated state machine; its [`Revision`] counts the changes
//!   that it has applied. Revisions of different groups are not comparable.
//! * Every write is one replicated [`Transaction`]: compares, read conflicts, operations if they
//!   hold and operations if they do not. [`WriteCommand`] names its usual shapes.
//! * Reads name their [`Consistency`]; scans are paged ([`ScanRequest`], [`ScanPage`]).
//! * Errors carry an [`ErrorKind`] that tells the caller what to do, and a [`WriteError`] says
//!   whether the write may have happened.
//! * [`KeyValueStore`] is the store as its users see it, [`Watch`] tells them what changes in it,
//!   [`SqlQuery`] sums it up, [`ClusterController`] is the cluster as its operators see it. Keys
//!   may go away with their [`Leases`], and [`Pins`] keep revisions readable. [`MemoryStore`] is
//!   the reference model that every other implementation is compared with.
//! * [`Transport`] moves messages between nodes; [`runtime`] is the only door to clocks, tasks,
//!   threads and randomness, so that a simulator can stand behind it.
//!
//! Architecture invariant: this crate depends on no other crate of the workspace and does no I/O.

pub mod codec;
pub mod runtime;

mod cluster;
mod command;
mod error;
mod id;
mod key;
mod key_value;
mod lease;
mod memory_store;
mod pin;
mod protocol;
mod range;
mod read;
mod revision;
mod session;
mod sql;
mod store;
mod transport;
mod versionstamp;
mod watch;

pub use cluster::{
    ClusterStatus, ControlError, GroupMetrics, GroupRole, GroupStatus, NODE_ADDRESSES_MAX,
    NodeRecord, NodeState, NodeStatus, ReplicationProgress,
};
pub use command::{
    ATOMIC_BYTES_MAX, AtomicEffect, AtomicOperation, BATCH_PROPOSALS_MAX, Command, Compare,
    CompareOperator, CompareTarget, Conflict, DELETE_RANGE_KEYS_MAX, ExpiringLease, Operation,
    OperationResult, Proposal, ProposalBatch, ReadConflict, Rejection, Reply,
    TRANSACTION_BYTES_MAX, TRANSACTION_OPERATIONS_MAX, Transaction, TransactionOutcome,
    WriteCommand,
};
pub use error::{
    Applied, ErrorKind, InvalidRequest, NotLeader, ReadError, WriteError, WriteFailure,
};
pub use id::{ClientId, ClusterId, EndpointKey, GroupId, LeaseId, LogIndex, NodeId, ShardId, Term};
pub use key::{InvalidKey, KEY_BYTES_MAX, Key, VALUE_BYTES_MAX, Value, ValueTooLarge};
pub use key_value::KeyValue;
pub use lease::{
    EXPIRE_LEASES_MAX, KEEP_ALIVE_LEASES_MAX, LEASE_COUNT_MAX, LEASE_KEYS_MAX, LEASE_LIST_MAX,
    LEASE_TTL_MS_MAX, LEASE_TTL_MS_MIN, LeaseGrant, LeaseGuard, LeaseRequest, LeaseResponse,
    LeaseRevocation, LeaseStatus, Leases, validate_ttl,
};
pub use memory_store::MemoryStore;
pub use pin::{PIN_COUNT_MAX, Pins};
pub use protocol::{
    Caller, ClientRequest, ClientResponse, ControlRequest, ControlResponse, JoinReply, JoinRequest,
    RequestHandler, Rights,
};
pub use range::KeyRange;
pub use read::{
    Consistency, Cursor, Projection, READ_BYTES_MAX, READ_KEYS_MAX, ReadBytes, ReadReply,
    ReadRequest, SCAN_BYTES_MAX, SCAN_RESULTS_DEFAULT, SCAN_RESULTS_MAX, ScanOrder, ScanPage,
    ScanRequest,
};
pub use revision::Revision;
pub use session::{
    SESSION_COUNT_MAX, SESSION_IDLE_MS_MIN, SESSION_RESULTS_MAX, SESSION_TTL_MS,
    SESSION_WINDOW_MAX, SessionStamp,
};
pub use sql::{
    SQL_COLUMNS_MAX, SQL_QUERY_BYTES_MAX, SQL_REPLY_BYTES_MAX, SQL_ROWS_DEFAULT, SQL_ROWS_MAX,
    SQL_TIMEOUT_MS_DEFAULT, SQL_TIMEOUT_MS_MAX, SqlError, SqlQuery, SqlReply, SqlRequest, SqlRow,
    SqlRows, SqlValue,
};
pub use store::{ClusterController, KeyValueStore};
pub use transport::{
    Lane, MESSAGE_BYTES_MAX, PeerHandler, PeerRejection, PeerRequest, Transport, TransportError,
};
pub use versionstamp::{StampPosition, VERSIONSTAMP_BYTES, Versionstamp};
pub use watch::{
    SharedSlice, SharedSliceIter, Told, WATCH_SESSION_ADDS_MAX, WATCH_SESSION_WATCHES_MAX,
    WATCH_WAIT_MS_MAX, Watch, WatchAdd, WatchBatch, WatchChange, WatchError, WatchEvent,
    WatchEvents, WatchFilter, WatchId, WatchPoll, WatchPollError, WatchPosition, WatchProgress,
    WatchReply, WatchRequest, WatchSet, WatchSource, WatchStream, WatchUpdate, WatchedEvent,
};

//! One node's durable state: the Raft log of all its groups, and a state machine per group.
//!
//! * [`GroupLog`] is one group's view of a log. [`RedbLogStore`] keeps the logs of all groups of a
//!   node in one redb file and makes what they append durable together; [`MemoryLogStore`] is its
//!   double for tests. Entries are opaque bytes here: consensus encodes them.
//! * [`StateMachine`] is one group's replicated state. All semantics live once, in
//!   [`apply`](crate::state::apply) over the [`Tables`] trait; [`MemoryTables`] and the SQLite
//!   tables are two implementations of it. [`SqliteStateMachine`] keeps recent changes in a bounded
//!   in-memory *head* over a SQLite *body*; the log covers what the body does not hold yet.
//!
//! Architecture invariant: this crate knows nothing of consensus libraries or networks.

pub mod log;
pub mod state;

pub use log::{
    GroupLog, LogCheck, LogDisk, LogError, LogMetrics, LogOptions, LogRecord, LogState,
    MemoryLogStore, RedbLogStore,
};
pub use state::{
    AppliedState, Change, Changes, ChangesRequest, Entry, EntryPayload, Lease, LeaseChange,
    LeaseFeed, LeaseNews, LeaseTable, LeaseTerms, LeasedKeys, MemoryDisk, MemoryStateMachine,
    MemoryTables, Position, SnapshotFile, SqliteStateMachine, StateError, StateMachine,
    StateOptions, Tables,
};

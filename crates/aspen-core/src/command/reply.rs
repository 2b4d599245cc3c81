//! What a group answers to a command: a value of the replicated state, equal on every replica.

use serde::{Deserialize, Serialize};

use crate::codec::bounded::bounded_by;
use crate::{Key, KeyRange, LeaseId, OperationResult, Revision, TRANSACTION_OPERATIONS_MAX};

bounded_by!(results_bound, TRANSACTION_OPERATIONS_MAX);

/// The answer to one [`crate::Command`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// A transaction ran.
    Transaction(TransactionOutcome),
    /// The session is open.
    SessionOpen,
    /// History below this revision is gone.
    Compacted {
        /// The horizon now in force.
        horizon: Revision,
    },
    /// The command had no effect.
    Rejected(Rejection),
    /// The lease is granted.
    LeaseGranted {
        /// Its id.
        lease: LeaseId,
        /// Its time to live, in milliseconds.
        ttl_ms: u64,
    },
    /// The lease has ended and its keys are deleted.
    LeaseRevoked {
        /// The group's revision after it; that of the deletions when there were any.
        revision: Revision,
        /// How many keys were deleted.
        keys: u64,
    },
    /// Leases have ended and their keys are deleted.
    LeasesExpired {
        /// The group's revision after it; that of the deletions when there were any.
        revision: Revision,
        /// How many leases ended.
        leases: u64,
        /// How many keys were deleted.
        keys: u64,
    },
    /// The revision is pinned.
    RevisionPinned {
        /// The revision.
        revision: Revision,
    },
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionOutcome {
    /// The group's revision after the transaction; its own revision when it changed anything.
    pub revision: Revision,
    /// Whether every compare held, and so which branch ran.
    pub succeeded: bool,
    /// One result per operation of the branch that ran.
    #[serde(with = "results_bound")]
    pub results: Vec<OperationResult>,
}

/// Why a command had no effect (for [`Rejection::ResultDropped`]: no second effect).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// Something that was read has changed.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A read conflict refers to history that is gone, so it cannot be checked.
    #[error("revision {requested} is compacted; the oldest readable revision is {horizon}")]
    Compacted {
        /// The revision asked for.
        requested: Revision,
        /// The oldest readable revision.
        horizon: Revision,
    },
    /// The command names a revision that the group has not reached.
    #[error("revision {requested} is in the future; the group is at {current}")]
    FutureRevision {
        /// The revision asked for.
        requested: Revision,
        /// The group's revision.
        current: Revision,
    },
    /// The session is not open: it expired, or never was. An earlier attempt of the same write may
    /// have happened.
    #[error("session has expired")]
    SessionExpired,
    /// The stamp lies outside the session's window: the client settled it already, or has more than
    /// [`crate::SESSION_WINDOW_MAX`] writes open.
    #[error("sequence {sequence} is outside the session's window [{floor}, {end})")]
    OutsideWindow {
        /// The stamp's sequence number.
        sequence: u64,
        /// The first number in the window.
        floor: u64,
        /// The end of the window, exclusive.
        end: u64,
    },
    /// Too many sessions are open.
    #[error("{limit} sessions are open (SESSION_COUNT_MAX)")]
    TooManySessions {
        /// The limit.
        limit: u64,
    },
    /// A retry of a write that happened, whose result was too large to keep.
    #[error("the write happened at revision {revision}; its result was too large to keep")]
    ResultDropped {
        /// The group's revision after the write.
        revision: Revision,
    },
    /// The command breaks a limit or a rule that its sender should have checked.
    #[error("invalid command: {0}")]
    Invalid(String),
    /// The sessions of all clients keep too many results. This attempt was not applied, nor will it
    /// be; clients that settle their writes, or whose sessions end, make room.
    #[error("{limit} results of writes are kept for retries (SESSION_RESULTS_MAX)")]
    TooManyResults {
        /// The limit.
        limit: u64,
    },
    /// A lease of this id is granted already.
    #[error("lease {lease} exists already")]
    LeaseExists {
        /// The id.
        lease: LeaseId,
    },
    /// The lease was never granted, or has ended.
    #[error("there is no lease {lease}, or it has ended")]
    NoSuchLease {
        /// The id.
        lease: LeaseId,
    },
    /// The group has as many leases as it may have.
    #[error("{limit} leases are granted (LEASE_COUNT_MAX)")]
    TooManyLeases {
        /// The limit.
        limit: u64,
    },
    /// The lease would have more keys than it may have.
    #[error("lease {lease} would have more than {limit} keys (LEASE_KEYS_MAX)")]
    TooManyLeaseKeys {
        /// The lease.
        lease: LeaseId,
        /// The limit.
        limit: u64,
    },
    /// The group has as many pins as it may have.
    #[error("{limit} revisions are pinned (PIN_COUNT_MAX)")]
    TooManyPins {
        /// The limit.
        limit: u64,
    },
}

/// A read conflict that failed: what was read has changed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("conflict on {key}: expected {expected}, found {actual}")]
pub struct Conflict {
    /// The key that changed.
    pub key: Key,
    /// The range whose read it falsifies; `None` when the key itself was read.
    pub range: Option<KeyRange>,
    /// For a key: the `mod_revision` when it was read, 0 for absent. For a range: the revision at
    /// which it was read.
    pub expected: Revision,
    /// The revision of the key's last change (of its deletion, for a range conflict with a
    /// deleted key); 0 when the key is absent now and was read itself.
    pub actual: Revision,
}

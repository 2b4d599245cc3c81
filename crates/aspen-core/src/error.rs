//! Errors: what failed, what the caller should do, and whether a write may have happened.

use serde::{Deserialize, Serialize};

use crate::{
    EndpointKey, GroupId, InvalidKey, NodeId, Rejection, Revision, ShardId, ValueTooLarge,
};

/// What the caller of a failed operation should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorKind {
    /// Transient: the same request may succeed now.
    Retry,
    /// Sent to the wrong place: follow the hint inside, or look the place up again.
    Refresh,
    /// What was read has changed: read again and decide again.
    Conflict,
    /// The request is wrong: fix it; the message names the limit or field.
    Invalid,
    /// The caller lacks the right.
    Denied,
    /// No quorum, or a resource such as the disk is exhausted: wait for operators or time.
    Unavailable,
    /// Stored bytes are not what they should be: restore the replica from its peers.
    Corrupt,
    /// A broken invariant of ours: report it.
    Bug,
}

/// A request that breaks a limit or a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct InvalidRequest {
    detail: String,
}

impl InvalidRequest {
    /// A rule in words; name the field.
    pub fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into() }
    }

    /// A limit that was exceeded.
    pub fn limit(name: &str, limit: usize, actual: usize) -> Self {
        Self { detail: format!("{actual} exceeds the limit of {limit} ({name})") }
    }
}

impl From<InvalidKey> for InvalidRequest {
    fn from(error: InvalidKey) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ValueTooLarge> for InvalidRequest {
    fn from(error: ValueTooLarge) -> Self {
        Self::new(error.to_string())
    }
}

/// The node asked does not lead the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("not the leader of {group}; leader: {}", name_of(*leader))]
pub struct NotLeader {
    /// The group.
    pub group: GroupId,
    /// The leader as far as the node knows.
    pub leader: Option<NodeId>,
    /// Where the leader can be reached, when known: its key and socket addresses.
    pub address: Option<(EndpointKey, Vec<String>)>,
}

fn name_of(leader: Option<NodeId>) -> String {
    leader.map_or_else(|| "unknown".to_owned(), |id| id.to_string())
}

/// A read that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ReadError {
    /// Only the leader can answer, and another node leads.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
    /// The revision's history is gone.
    #[error("revision {requested} is compacted; the oldest readable revision is {horizon}")]
    Compacted {
        /// The revision asked for.
        requested: Revision,
        /// The oldest readable revision.
        horizon: Revision,
    },
    /// The group has not reached the revision.
    #[error("revision {requested} is in the future; the group is at {current}")]
    FutureRevision {
        /// The revision asked for.
        requested: Revision,
        /// The group's revision.
        current: Revision,
    },
    /// The node does not hold the group.
    #[error("this node holds no replica of {0}")]
    NoSuchGroup(GroupId),
    /// Too many requests wait.
    #[error("overloaded: {0}")]
    Overloaded(String),
    /// The deadline passed first.
    #[error("deadline passed: {0}")]
    Timeout(String),
    /// No quorum, or the node is stopping.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The request is wrong.
    #[error("invalid request: {0}")]
    Invalid(#[from] InvalidRequest),
    /// The caller lacks the right.
    #[error("denied: {0}")]
    Denied(String),
    /// Stored bytes failed a check.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// A broken invariant.
    #[error("bug: {0}")]
    Bug(String),
    /// One shard of the store is unavailable; others may well be there.
    #[error("shard {shard} is unavailable: {detail}")]
    ShardUnavailable {
        /// The shard.
        shard: ShardId,
        /// Why.
        detail: String,
    },
    /// The read names one revision for several shards, whose revisions are not comparable.
    #[error("a revision names a state of one shard, and the read touches {shards}")]
    TooManyShards {
        /// How many it touches.
        shards: u16,
    },
}

impl ReadError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotLeader(_) | Self::NoSuchGroup(_) => ErrorKind::Refresh,
            Self::Overloaded(_) | Self::Timeout(_) => ErrorKind::Retry,
            Self::Compacted { .. } => ErrorKind::Conflict,
            Self::FutureRevision { .. } | Self::Invalid(_) | Self::TooManyShards { .. } => {
                ErrorKind::Invalid
            }
            Self::Denied(_) => ErrorKind::Denied,
            Self::Unavailable(_) | Self::ShardUnavailable { .. } => ErrorKind::Unavailable,
            Self::Corrupt(_) => ErrorKind::Corrupt,
            Self::Bug(_) => ErrorKind::Bug,
        }
    }
}

/// Whether a failed write may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Applied {
    /// It has not happened and will not.
    No,
    /// It may have happened, or may still: only a retry in the same session settles it.
    Maybe,
}

impl Applied {
    fn remark(self) -> &'static str {
        match self {
            Self::No => "",
            Self::Maybe => " (the write may have happened)",
        }
    }
}

/// A write that failed: why, and whether it may have happened all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{failure}{}", applied.remark())]
pub struct WriteError {
    /// Why.
    pub failure: WriteFailure,
    /// Whether the write may have happened.
    pub applied: Applied,
}

impl WriteError {
    /// A failure before anything was replicated.
    pub fn not_applied(failure: impl Into<WriteFailure>) -> Self {
        Self { failure: failure.into(), applied: Applied::No }
    }

    /// A failure after the write may have been replicated.
    pub fn maybe_applied(failure: impl Into<WriteFailure>) -> Self {
        Self { failure: failure.into(), applied: Applied::Maybe }
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.failure.kind()
    }
}

/// Why a write failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum WriteFailure {
    /// Another node leads the group.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
    /// The replicated state refused the command.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The node does not hold the group.
    #[error("this node holds no replica of {0}")]
    NoSuchGroup(GroupId),
    /// Too many writes are in flight.
    #[error("overloaded: {0}")]
    Overloaded(String),
    /// The deadline passed first.
    #[error("deadline passed: {0}")]
    Timeout(String),
    /// No quorum, or the node is stopping.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The request is wrong.
    #[error("invalid request: {0}")]
    Invalid(#[from] InvalidRequest),
    /// The caller lacks the right.
    #[error("denied: {0}")]
    Denied(String),
    /// A broken invariant.
    #[error("bug: {0}")]
    Bug(String),
    /// The disk of the node asked has no room. Unlike other reasons to be unavailable it passes
    /// only when someone frees space, so waiting for it is of little use.
    #[error("disk is full: {0}")]
    DiskFull(String),
    /// One shard of the store is unavailable; others may well be there.
    #[error("shard {shard} is unavailable: {detail}")]
    ShardUnavailable {
        /// The shard.
        shard: ShardId,
        /// Why.
        detail: String,
    },
    /// The write touches more shards than one write may. Nothing was sent to any of them.
    #[error("the write touches {shards} shards; the limit is {limit} (WRITE_SHARDS_MAX)")]
    TooManyShards {
        /// How many it touches.
        shards: u16,
        /// The limit.
        limit: u16,
    },
}

impl WriteFailure {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotLeader(_) | Self::NoSuchGroup(_) => ErrorKind::Refresh,
            Self::Overloaded(_) | Self::Timeout(_) => ErrorKind::Retry,
            Self::Rejected(rejection) => rejection.kind(),
            Self::Invalid(_) | Self::TooManyShards { .. } => ErrorKind::Invalid,
            Self::Denied(_) => ErrorKind::Denied,
            Self::Unavailable(_) | Self::DiskFull(_) | Self::ShardUnavailable { .. } => {
                ErrorKind::Unavailable
            }
            Self::Bug(_) => ErrorKind::Bug,
        }
    }
}

impl Rejection {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict(_)
            | Self::Compacted { .. }
            | Self::LeaseExists { .. }
            | Self::NoSuchLease { .. } => ErrorKind::Conflict,
            Self::TooManySessions { .. } | Self::TooManyResults { .. } => ErrorKind::Retry,
            Self::TooManyLeases { .. } | Self::TooManyPins { .. } => ErrorKind::Unavailable,
            Self::TooManyLeaseKeys { .. }
            | Self::FutureRevision { .. }
            | Self::SessionExpired
            | Self::OutsideWindow { .. }
            | Self::ResultDropped { .. }
            | Self::Invalid(_) => ErrorKind::Invalid,
        }
    }
}

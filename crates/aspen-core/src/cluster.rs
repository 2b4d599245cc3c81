//! A cluster's nodes and groups, as status and membership speak of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::bounded::bounded_by;
use crate::{
    ClusterId, EndpointKey, ErrorKind, GroupId, LogIndex, NodeId, NotLeader, Revision, Term,
};

/// How many addresses a node may be known by: more than any machine's interfaces, few enough that
/// the records of many nodes stay small.
pub const NODE_ADDRESSES_MAX: usize = 1024;

bounded_by!(addresses_bound, NODE_ADDRESSES_MAX);

/// How a node is known and reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its id, never reused.
    pub id: NodeId,
    /// Its public key.
    pub endpoint: EndpointKey,
    /// Its socket addresses (`ip:port`), possibly none behind a relay; at most
    /// [`NODE_ADDRESSES_MAX`].
    #[serde(with = "addresses_bound")]
    pub addresses: Vec<String>,
}

/// Whether a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// It answered the reporting node lately.
    Online,
    /// It did not.
    Offline,
}

/// A replica's part in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupRole {
    /// Orders writes.
    Leader,
    /// Votes and follows.
    Follower,
    /// Seeks votes.
    Candidate,
    /// Follows without a vote.
    Learner,
    /// Stopping or failed.
    Stopped,
}

/// What a replica knows of its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMetrics {
    /// The group.
    pub group: GroupId,
    /// The replica that reports.
    pub node: NodeId,
    /// Its part.
    pub role: GroupRole,
    /// Its term.
    pub term: Term,
    /// The leader it follows.
    pub leader: Option<NodeId>,
    /// The last entry of its log.
    pub last_log: Option<LogIndex>,
    /// The last entry it knows to be committed.
    pub committed: Option<LogIndex>,
    /// The last entry it has applied.
    pub applied: Option<LogIndex>,
    /// The last entry that its latest snapshot covers.
    pub snapshot: Option<LogIndex>,
    /// The last entry purged from its log.
    pub purged: Option<LogIndex>,
    /// The revision of its state machine.
    pub revision: Revision,
    /// The voters.
    pub voters: Vec<NodeId>,
    /// The members without a vote.
    pub learners: Vec<NodeId>,
    /// On the leader: how far each other member has come.
    pub replication: BTreeMap<NodeId, ReplicationProgress>,
}

/// How far a follower has come, as its leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationProgress {
    /// The last entry known to be on the follower.
    pub matched: Option<LogIndex>,
    /// Entries that it lacks.
    pub lag_entries: u64,
}

/// A node in a cluster's status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Id, key and addresses.
    pub record: NodeRecord,
    /// Whether it answers.
    pub state: NodeState,
    /// Its program's version, when it answered.
    pub version: Option<String>,
    /// Use of the disk under its data directory in percent, when it answered.
    pub disk_used_percent: Option<u8>,
}

/// A group in a cluster's status, as its leader reports it (else as the reporting node knows it).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// The report.
    pub metrics: GroupMetrics,
}

/// A cluster at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// Its identity.
    pub cluster: ClusterId,
    /// Its nodes, by id.
    pub nodes: Vec<NodeStatus>,
    /// Its groups, by id.
    pub groups: Vec<GroupStatus>,
}

/// An operator's request that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ControlError {
    /// Another node leads the group.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
    /// The node does not hold the group.
    #[error("this node holds no replica of {0}")]
    NoSuchGroup(GroupId),
    /// The request makes no sense for the group as it is; nothing was changed.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// It did not finish in time; it may still take effect.
    #[error("deadline passed: {0}")]
    Timeout(String),
    /// No quorum, or the node is stopping.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The caller lacks the right.
    #[error("denied: {0}")]
    Denied(String),
    /// A broken invariant.
    #[error("bug: {0}")]
    Bug(String),
}

impl ControlError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotLeader(_) | Self::NoSuchGroup(_) => ErrorKind::Refresh,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Timeout(_) => ErrorKind::Retry,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Denied(_) => ErrorKind::Denied,
            Self::Bug(_) => ErrorKind::Bug,
        }
    }
}

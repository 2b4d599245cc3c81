//! What clients ask nodes, whatever carries the bytes.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    ClusterId, ClusterStatus, Command, ControlError, EndpointKey, GroupId, GroupMetrics,
    LeaseRequest, LeaseResponse, NodeId, NodeRecord, ReadError, ReadReply, ReadRequest, Reply,
    ScanPage, ScanRequest, SessionStamp, SqlError, SqlReply, SqlRequest, WatchPoll, WatchPollError,
    WatchReply, WriteError,
};

/// One request of a client. Requests of one batch are independent of each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientRequest {
    /// Reads keys.
    Read {
        /// The group that holds them.
        group: GroupId,
        /// What to read.
        request: ReadRequest,
    },
    /// Reads a page.
    Scan {
        /// The group that holds it.
        group: GroupId,
        /// What to read.
        request: ScanRequest,
    },
    /// Proposes a command.
    Propose {
        /// The group.
        group: GroupId,
        /// What makes a retry recognisable.
        session: Option<SessionStamp>,
        /// What to do.
        command: Command,
    },
    /// Asks for or changes the cluster itself.
    Control(ControlRequest),
    /// Waits for changes of keys. Answered when there are some, so it shares a batch with nothing.
    Watch {
        /// The group that holds them.
        group: GroupId,
        /// What to wait for.
        poll: WatchPoll,
    },

    /// Keeps leases alive, or asks about them.
    Lease {
        /// The group that granted them.
        group: GroupId,
        /// What to do.
        request: LeaseRequest,
    },
    /// Runs a read-only SQL query. It may take long, so it shares a batch with nothing.
    Sql {
        /// The group whose keys it sees.
        group: GroupId,
        /// The query.
        request: SqlRequest,
    },
}

/// The answer to a [`ClientRequest`], of the matching variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientResponse {
    /// To `Read`.
    Read(Result<ReadReply, ReadError>),
    /// To `Scan`.
    Scan(Result<ScanPage, ReadError>),
    /// To `Propose`.
    Propose(Result<Reply, WriteError>),
    /// To `Control`.
    Control(Result<ControlResponse, ControlError>),
    /// To `Watch`.
    Watch(Result<WatchReply, WatchPollError>),
    /// To `Lease`.
    Lease(Result<LeaseResponse, ReadError>),
    /// To `Sql`.
    Sql(Result<SqlReply, SqlError>),
}

/// A request about the cluster itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlRequest {
    /// The cluster at a glance.
    Status,
    /// One group as the asked node knows it.
    Metrics {
        /// The group.
        group: GroupId,
    },
    /// A ticket that names every node now known, with a grant of the caller's rights.
    Ticket,
    /// Makes these nodes voters of a group that has none.
    Init {
        /// The group.
        group: GroupId,
        /// The first voters.
        members: Vec<NodeRecord>,
    },
    /// Adds a learner to every group and waits until it has caught up.
    AddLearner {
        /// The node, registered before.
        node: NodeId,
    },
    /// Makes exactly these nodes the voters of every group.
    ChangeMembership {
        /// The voters.
        voters: BTreeSet<NodeId>,
    },
    /// Removes a node from every group and from the registry.
    RemoveNode {
        /// The node.
        node: NodeId,
    },
    /// Hands leadership of a group to a voter.
    TransferLeader {
        /// The group.
        group: GroupId,
        /// The new leader.
        to: NodeId,
    },
    /// Builds a snapshot of a group on the asked node.
    TriggerSnapshot {
        /// The group.
        group: GroupId,
    },
}

/// The answer to a [`ControlRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlResponse {
    /// It is done.
    Done,
    /// To `Status`.
    Status(Box<ClusterStatus>),
    /// To `Metrics`.
    Metrics(Box<GroupMetrics>),
    /// To `Ticket`: the ticket in its text form.
    Ticket(String),
}

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Rights {
    /// Read keys and status.
    Read,
    /// Also write keys.
    Write,
    /// Also change the cluster.
    Admin,
}

/// Who sent a request, as the transport authenticated it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The caller's key.
    pub endpoint: EndpointKey,
    /// What its grant allows.
    pub rights: Rights,
}

/// A process asks to become a node; it has proved that it knows the cluster's cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// Id, key and addresses. The key is checked against the connection's.
    pub node: NodeRecord,
    /// The cluster that its data directory belongs to, if it has joined one before.
    pub cluster: Option<ClusterId>,
}

/// The answer to a [`JoinRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinReply {
    /// The node is registered; members will contact it.
    Welcome {
        /// The cluster's identity.
        cluster: ClusterId,
        /// Every registered node, the new one included.
        nodes: Vec<NodeRecord>,
    },
    /// Ask this node instead.
    Redirect(NodeRecord),
    /// The request is refused for good; the text says why and what to do.
    Refused(String),
    /// Not now (no leader yet); try again.
    Retry(String),
}

/// Answers clients and joining nodes.
#[async_trait]
pub trait RequestHandler: Send + Sync + 'static {
    /// Handles a batch of requests of one client; answers one response per request, in order.
    async fn handle(&self, caller: Caller, requests: Vec<ClientRequest>) -> Vec<ClientResponse>;

    /// Handles a process that asks to become a node.
    async fn join(&self, request: JoinRequest) -> JoinReply;
}

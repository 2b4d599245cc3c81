//! What a node needs of its network besides the messages of consensus.

use std::time::Duration;

use aspen_core::{
    ClientRequest, ClientResponse, JoinReply, JoinRequest, NodeId, NodeRecord, Rights,
};
use aspen_net::{CallError, ClusterUnknown, Grant, JoinError, NetMetrics, PeerAddress};
use async_trait::async_trait;

/// A node's connections with other nodes, and what it tells others to reach it.
///
/// `aspen_net::NodeNet` is the real one. Messages of consensus travel by
/// [`aspen_core::Transport`]; what arrives from elsewhere is handed to
/// [`super::ComposedNode::requests`] and [`super::ComposedNode::peers`] by whoever composed the
/// node.
#[async_trait]
pub trait Links: Send + Sync + 'static {
    /// This node as others reach it. Its id and key never change, its addresses may.
    fn record(&self) -> NodeRecord;

    /// Whether the node answers, as far as is known; always for this node itself.
    fn peer_online(&self, node: NodeId) -> bool;

    /// Replaces the list of members, this node included or not: who may speak to it as a member,
    /// and where to reach them.
    fn set_peers(&self, peers: Vec<NodeRecord>);

    /// Sends a client's request to another node, with all rights, and waits for the answer, at most
    /// `timeout`.
    ///
    /// # Errors
    /// See [`CallError`]: `Unreachable` only when the request surely never arrived.
    async fn call(
        &self,
        peer: &PeerAddress,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError>;

    /// Asks a node to register this one.
    ///
    /// # Errors
    /// See [`JoinError`]. Joining is idempotent.
    async fn join(
        &self,
        peer: &PeerAddress,
        request: JoinRequest,
        timeout: Duration,
    ) -> Result<JoinReply, JoinError>;

    /// Makes a grant of `rights` for a ticket, one that does not expire.
    ///
    /// # Errors
    /// [`ClusterUnknown`] before the node has entered a cluster.
    fn issue_grant(&self, rights: Rights) -> Result<Grant, ClusterUnknown>;

    /// What the network can tell about itself.
    fn metrics(&self) -> NetMetrics;
}

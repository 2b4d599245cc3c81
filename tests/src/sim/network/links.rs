//! What a node needs of its network besides the messages of consensus.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    ClientRequest, ClientResponse, ClusterId, JoinReply, JoinRequest, NodeId, NodeRecord, Rights,
    codec, runtime,
};
use aspen_net::{CallError, ClusterUnknown, Cookie, Grant, JoinError, NetMetrics, PeerAddress};
use aspen_node::compose::Links;
use async_trait::async_trait;
use parking_lot::Mutex;

use super::channel::{answered, call};
use super::party::record_of;
use super::{Kind, Party, SimNetwork};

/// A node's links.
pub(crate) struct SimLinks {
    network: Arc<SimNetwork>,
    node: NodeId,
    cluster: Mutex<Option<ClusterId>>,
    cookie: Cookie,
}

impl SimLinks {
    /// The links of a node that is in no cluster yet.
    pub(crate) fn new(network: Arc<SimNetwork>, node: NodeId) -> Arc<Self> {
        let cookie = Cookie::new("simulated").expect("a cookie of nine characters is valid");
        Arc::new(Self { network, node, cluster: Mutex::default(), cookie })
    }

    /// The node has entered a cluster.
    pub(crate) fn set_cluster(&self, cluster: ClusterId) {
        *self.cluster.lock() = Some(cluster);
    }
}

#[async_trait]
impl Links for SimLinks {
    fn record(&self) -> NodeRecord {
        record_of(self.node)
    }

    fn peer_online(&self, node: NodeId) -> bool {
        node == self.node || self.network.is_online(self.node, node)
    }

    fn set_peers(&self, peers: Vec<NodeRecord>) {
        self.network.set_peers(self.node, &peers);
    }

    async fn call(
        &self,
        peer: &PeerAddress,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError> {
        call(&self.network, Party::Node(self.node), peer.endpoint, request, timeout).await
    }

    async fn join(
        &self,
        peer: &PeerAddress,
        request: JoinRequest,
        timeout: Duration,
    ) -> Result<JoinReply, JoinError> {
        let refused = || JoinError::Unreachable("connection refused".to_owned());
        let node = self.network.node_of(peer.endpoint).ok_or_else(refused)?;
        let bytes =
            codec::encode(&request).map_err(|error| JoinError::Failed(error.to_string()))?;
        let answer = self.network.send(Party::Node(self.node), node, Kind::Join, bytes);
        match runtime::timeout(timeout, answered(answer)).await {
            Err(_) => Err(JoinError::Timeout),
            Ok(Err(error)) => Err(JoinError::Failed(error.to_string())),
            Ok(Ok(bytes)) => {
                codec::decode(&bytes).map_err(|error| JoinError::Failed(error.to_string()))
            }
        }
    }

    fn issue_grant(&self, rights: Rights) -> Result<Grant, ClusterUnknown> {
        let cluster = self.cluster.lock().ok_or(ClusterUnknown)?;
        Ok(Grant::issue(&self.cookie, cluster, rights, None))
    }

    fn metrics(&self) -> NetMetrics {
        NetMetrics::default()
    }
}

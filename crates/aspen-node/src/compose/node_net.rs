//! The real network as [`Links`].

use std::time::Duration;

use aspen_core::{
    ClientRequest, ClientResponse, JoinReply, JoinRequest, NodeId, NodeRecord, Rights,
};
use aspen_net::{CallError, ClusterUnknown, Grant, JoinError, NetMetrics, NodeNet, PeerAddress};
use async_trait::async_trait;

use super::Links;

#[async_trait]
impl Links for NodeNet {
    fn record(&self) -> NodeRecord {
        NodeNet::record(self)
    }

    fn peer_online(&self, node: NodeId) -> bool {
        NodeNet::peer_online(self, node)
    }

    fn set_peers(&self, peers: Vec<NodeRecord>) {
        NodeNet::set_peers(self, peers);
    }

    async fn call(
        &self,
        peer: &PeerAddress,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError> {
        NodeNet::call(self, peer, request, timeout).await
    }

    async fn join(
        &self,
        peer: &PeerAddress,
        request: JoinRequest,
        timeout: Duration,
    ) -> Result<JoinReply, JoinError> {
        NodeNet::join(self, peer, request, timeout).await
    }

    fn issue_grant(&self, rights: Rights) -> Result<Grant, ClusterUnknown> {
        NodeNet::issue_grant(self, rights, None)
    }

    fn metrics(&self) -> NetMetrics {
        NodeNet::metrics(self)
    }
}

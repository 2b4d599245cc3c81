//! A network of calls: what one node sends, another handles at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    Caller, ClientRequest, ClientResponse, ClusterId, EndpointKey, JoinReply, JoinRequest, Lane,
    NodeId, NodeRecord, PeerHandler, PeerRejection, PeerRequest, RequestHandler, Rights, Transport,
    TransportError, runtime,
};
use aspen_net::{
    CallError, ClusterUnknown, Cookie, Grant, JoinError, NetMetrics, PeerAddress, PeerMetrics,
};
use aspen_node::compose::{ComposedNode, Links};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

/// Who can be called.
#[derive(Default)]
pub(crate) struct MemoryNet {
    nodes: Mutex<BTreeMap<NodeId, Endpoint>>,
}

#[derive(Clone)]
struct Endpoint {
    net: Arc<MemoryLinks>,
    requests: Arc<dyn RequestHandler>,
    peers: Arc<dyn PeerHandler>,
}

impl MemoryNet {
    /// Makes a node answer.
    pub(crate) fn serve(&self, links: &Arc<MemoryLinks>, node: &ComposedNode) {
        *links.cluster.lock() = Some(node.cluster());
        let (requests, peers) = (node.requests(), node.peers());
        let endpoint = Endpoint { net: links.clone(), requests, peers };
        self.nodes.lock().insert(node.id(), endpoint);
    }

    /// Makes a node silent.
    pub(crate) fn unplug(&self, node: NodeId) {
        self.nodes.lock().remove(&node);
    }

    fn find(&self, node: NodeId) -> Option<Endpoint> {
        self.nodes.lock().get(&node).cloned()
    }

    fn find_key(&self, key: EndpointKey) -> Option<Endpoint> {
        self.nodes.lock().values().find(|endpoint| endpoint.net.record.endpoint == key).cloned()
    }
}

/// One node's side of the network.
pub(crate) struct MemoryLinks {
    net: Arc<MemoryNet>,
    record: NodeRecord,
    cluster: Mutex<Option<ClusterId>>,
    members: Mutex<BTreeSet<NodeId>>,
}

impl MemoryLinks {
    /// The side of a node that nobody can call yet.
    pub(crate) fn new(net: &Arc<MemoryNet>, id: u64) -> Arc<Self> {
        let endpoint = EndpointKey::new([u8::try_from(id).unwrap(); 32]);
        let addresses = vec![format!("127.0.0.1:{id}")];
        Arc::new(Self {
            net: net.clone(),
            record: NodeRecord { id: NodeId::new(id), endpoint, addresses },
            cluster: Mutex::default(),
            members: Mutex::default(),
        })
    }

    /// Whether the node's messages are taken as a member's.
    fn admits(&self, node: NodeId) -> bool {
        self.members.lock().contains(&node)
    }

    fn unreachable(&self, peer: NodeId) -> TransportError {
        let detail = format!("nobody answers node {}", self.record.id);
        TransportError::Unreachable { node: peer, detail }
    }
}

#[async_trait]
impl Links for MemoryLinks {
    fn record(&self) -> NodeRecord {
        self.record.clone()
    }

    fn peer_online(&self, node: NodeId) -> bool {
        node == self.record.id || self.net.find(node).is_some()
    }

    fn set_peers(&self, peers: Vec<NodeRecord>) {
        *self.members.lock() = peers.into_iter().map(|peer| peer.id).collect();
    }

    async fn call(
        &self,
        peer: &PeerAddress,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError> {
        let nobody = || CallError::Unreachable("nobody answers".to_owned());
        let callee = self.net.find_key(peer.endpoint).ok_or_else(nobody)?;
        if !callee.net.admits(self.record.id) {
            return Err(CallError::Denied("the caller is no member".to_owned()));
        }
        let caller = Caller { endpoint: self.record.endpoint, rights: Rights::Admin };
        let handling = callee.requests.handle(caller, vec![request]);
        let answers = runtime::timeout(timeout, handling).await.map_err(|_| CallError::Timeout)?;
        answers.into_iter().next().ok_or_else(|| CallError::Lost("no answer".to_owned()))
    }

    async fn join(
        &self,
        peer: &PeerAddress,
        request: JoinRequest,
        timeout: Duration,
    ) -> Result<JoinReply, JoinError> {
        let nobody = || JoinError::Unreachable("nobody answers".to_owned());
        let member = self.net.find_key(peer.endpoint).ok_or_else(nobody)?;
        let decision = runtime::timeout(timeout, member.requests.join(request)).await;
        decision.map_err(|_| JoinError::Timeout)
    }

    fn issue_grant(&self, rights: Rights) -> Result<Grant, ClusterUnknown> {
        let cluster = self.cluster.lock().ok_or(ClusterUnknown)?;
        let cookie = Cookie::new("a cookie for tests").unwrap();
        Ok(Grant::issue(&cookie, cluster, rights, None))
    }

    fn metrics(&self) -> NetMetrics {
        let members = self.members.lock();
        let others = members.iter().filter(|node| **node != self.record.id);
        let peers = others.filter_map(|node| self.net.find(*node)).map(|peer| PeerMetrics {
            node: peer.net.record.id,
            endpoint: peer.net.record.endpoint,
            online: true,
            rtt_us: None,
        });
        NetMetrics { peers: peers.collect(), ..NetMetrics::default() }
    }
}

#[async_trait]
impl Transport for MemoryLinks {
    async fn call(
        &self,
        target: NodeId,
        _lane: Lane,
        request: PeerRequest,
        timeout: Duration,
    ) -> Result<Bytes, TransportError> {
        let from = self.record.id;
        let peer = self.net.find(target).ok_or_else(|| self.unreachable(target))?;
        // A node that is unplugged sends no more than it hears.
        self.net.find(from).ok_or_else(|| self.unreachable(target))?;
        let answer = match peer.net.admits(from) {
            true => runtime::timeout(timeout, peer.peers.handle(from, request)).await,
            false => Ok(Err(PeerRejection::NotMember(format!("node {from}")))),
        };
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        match answer {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(rejection)) => Err(TransportError::Rejected { node: target, rejection }),
            Err(_) => Err(TransportError::Timeout { node: target, timeout_ms }),
        }
    }
}

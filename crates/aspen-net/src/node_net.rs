//! A node's endpoint.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aspen_core::{
    ClientRequest, ClientResponse, ClusterId, EndpointKey, JoinReply, JoinRequest, NodeId,
    NodeRecord, PeerHandler, RequestHandler, Rights, Transport, runtime,
};
use iroh::Endpoint;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::address::ADDRESSES_PER_PEER_MAX;
use crate::client_net::Batchers;
use crate::close::CloseCode;
use crate::connections::Connections;
use crate::dial::Dialer;
use crate::gate::Gate;
use crate::grant::ClusterUnknown;
use crate::hello::Identity;
use crate::join::ask_to_join;
use crate::members::Members;
use crate::peer_transport::PeerTransport;
use crate::protocol::Protocol;
use crate::serve::{Budgets, Limits, Server};
use crate::{
    BindError, CallError, Grant, JoinError, NetMetrics, NodeNetOptions, PeerAddress, PeerMetrics,
    endpoint,
};

/// How often lost connections to members are looked for.
const KEEP_CONNECTED_INTERVAL: Duration = Duration::from_millis(500);

/// How long closing may wait for the last packets to leave.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// A node's endpoint: it talks to members, serves clients and lets new nodes in.
///
/// Until [`NodeNet::set_cluster`] it refuses members and clients; until [`NodeNet::serve`] it
/// accepts nobody. Members stay connected from then on, so that [`NodeNet::peer_online`] is true to
/// the second and the first vote finds open connections.
pub struct NodeNet {
    options: NodeNetOptions,
    endpoint: Endpoint,
    members: Arc<Members>,
    connections: Arc<Connections>,
    dialer: Arc<Dialer>,
    transport: Arc<PeerTransport>,
    batchers: Batchers,
    nodes: Mutex<BTreeMap<NodeId, EndpointKey>>,
    serving: AtomicBool,
    /// The tasks of [`NodeNet::serve`] end when this is dropped.
    alive: watch::Sender<()>,
}

impl NodeNet {
    /// Opens the endpoint.
    ///
    /// # Errors
    /// [`BindError`] when the options contradict each other or the address is taken.
    pub async fn bind(options: NodeNetOptions) -> Result<Arc<Self>, BindError> {
        options.validate()?;
        let (members, connections) = (Arc::<Members>::default(), Arc::<Connections>::default());
        let gate = Gate { members: Arc::clone(&members), connections: Arc::clone(&connections) };
        let builder =
            endpoint::builder(&options.secret, options.listen, &options.reach, &options.timings)?
                .alpns(Protocol::ALL.iter().map(|protocol| protocol.alpn().to_vec()).collect())
                .hooks(gate);
        let endpoint = endpoint::bind(builder, options.listen).await?;
        let dialer = Arc::new(Dialer {
            endpoint: endpoint.clone(),
            relay: endpoint::relay_url(&options.reach)?,
            timings: options.timings.clone(),
            connections: Arc::clone(&connections),
            members: Arc::clone(&members),
            identity: Identity::Node(options.node),
        });
        Ok(Arc::new(Self {
            transport: Arc::new(PeerTransport::new(options.node, Arc::clone(&dialer))),
            batchers: Batchers::new(Arc::clone(&dialer)),
            nodes: Mutex::default(),
            serving: AtomicBool::new(false),
            alive: watch::Sender::new(()),
            options,
            endpoint,
            members,
            connections,
            dialer,
        }))
    }

    /// The node's id and key, and the addresses that others are to be told: those of the options,
    /// else the socket's own, or the machine's when it listens on all of them.
    pub fn record(&self) -> NodeRecord {
        let addresses = self.addresses().into_iter().map(|address| address.to_string());
        NodeRecord {
            id: self.options.node,
            endpoint: self.options.secret.public(),
            addresses: addresses.take(ADDRESSES_PER_PEER_MAX).collect(),
        }
    }

    /// The sockets that it listens on, with the ports that were chosen.
    pub fn bound_addresses(&self) -> Vec<SocketAddr> {
        self.endpoint.bound_sockets()
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        if !self.options.advertise.is_empty() {
            return self.options.advertise.clone();
        }
        let bound = self.bound_addresses();
        if bound.iter().all(|address| !address.ip().is_unspecified()) {
            return bound;
        }
        let found: Vec<SocketAddr> = self.endpoint.addr().ip_addrs().copied().collect();
        let public: Vec<SocketAddr> =
            found.iter().filter(|address| !address.ip().is_loopback()).copied().collect();
        match (public.is_empty(), found.is_empty()) {
            (false, _) => public,
            (true, false) => found,
            // Nothing found yet: loopback at least works on this machine.
            (true, true) => bound.iter().map(|address| loopback(*address)).collect(),
        }
    }

    /// Sets the cluster that the node belongs to.
    pub fn set_cluster(&self, cluster: ClusterId) {
        self.members.set_cluster(cluster);
    }

    /// Replaces the list of members, this node included or not: who may speak to it as a member,
    /// and where to reach them. Connections of members that are gone are closed.
    pub fn set_peers(&self, peers: Vec<NodeRecord>) {
        self.members.set_nodes(&peers);
        let nodes = peers.iter().map(|peer| (peer.id, peer.endpoint)).collect();
        let before = std::mem::replace(&mut *self.nodes.lock(), nodes);
        self.transport.set_peers(&peers);
        // A member may also be here as a client with all rights; others are here by their grants.
        let is_gone = |peer, protocol: Protocol| {
            let was_member = before.values().any(|endpoint| *endpoint == peer);
            self.members.node_of(peer).is_none() && (protocol.is_members_only() || was_member)
        };
        let reason = "the caller is no longer a member";
        self.connections.close_where(is_gone, CloseCode::NotMember, reason);
    }

    /// Sends messages to members.
    pub fn transport(&self) -> Arc<dyn Transport> {
        let transport: Arc<PeerTransport> = Arc::clone(&self.transport);
        transport
    }

    /// Starts to accept connections: messages of members go to `peers`, batches of clients and
    /// joining processes to `requests`. Further calls change nothing.
    pub fn serve(&self, peers: Arc<dyn PeerHandler>, requests: Arc<dyn RequestHandler>) {
        if self.serving.swap(true, Ordering::AcqRel) {
            return;
        }
        let server = Arc::new(Server {
            endpoint: self.endpoint.clone(),
            members: Arc::clone(&self.members),
            connections: Arc::clone(&self.connections),
            transport: Arc::clone(&self.transport),
            cookie: self.options.cookie.clone(),
            timings: self.options.timings.clone(),
            budgets: Budgets::new(self.options.inbound_bytes_max),
            peers,
            requests,
            limits: Limits::new(self.options.connections_max),
        });
        runtime::spawn(server.run(self.alive.subscribe()));
        let (transport, stop) = (Arc::clone(&self.transport), self.alive.subscribe());
        runtime::spawn(keep_connected(self.endpoint.clone(), transport, stop));
    }

    /// Asks a member to let this node in.
    ///
    /// # Errors
    /// See [`JoinError`]. Joining is idempotent.
    pub async fn join(
        &self,
        peer: &PeerAddress,
        request: JoinRequest,
        timeout: Duration,
    ) -> Result<JoinReply, JoinError> {
        ask_to_join(&self.dialer, &self.options.cookie, peer, request, timeout).await
    }

    /// Sends a client's request to a member, with all rights.
    ///
    /// # Errors
    /// See [`CallError`], which says whether the request may have been handled.
    pub async fn call(
        &self,
        peer: &PeerAddress,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError> {
        self.batchers.call(peer, request, timeout).await
    }

    /// Makes a grant for a ticket; `ttl_ms` of `None` never ends. A shorter life limits what a
    /// leaked ticket can do; a longer one spares its holder new tickets.
    ///
    /// # Errors
    /// [`ClusterUnknown`] before [`NodeNet::set_cluster`].
    pub fn issue_grant(
        &self,
        rights: Rights,
        ttl_ms: Option<u64>,
    ) -> Result<Grant, ClusterUnknown> {
        let cluster = self.members.cluster().ok_or(ClusterUnknown)?;
        Ok(Grant::issue(&self.options.cookie, cluster, rights, ttl_ms))
    }

    /// Whether a connection with the node is open, in either direction; always for this node.
    pub fn peer_online(&self, node: NodeId) -> bool {
        let endpoint = self.nodes.lock().get(&node).copied();
        node == self.options.node
            || endpoint.is_some_and(|endpoint| self.connections.peer(endpoint).0)
    }

    /// Counters and what is open now.
    pub fn metrics(&self) -> NetMetrics {
        let mut metrics =
            self.connections.metrics(|endpoint| self.members.node_of(endpoint).is_some());
        let peers = self.transport.peers().into_iter();
        metrics.peers = peers
            .map(|(node, address)| {
                let (online, rtt_us) = self.connections.peer(address.endpoint);
                PeerMetrics { node, endpoint: address.endpoint, online, rtt_us }
            })
            .collect();
        metrics
    }

    /// Tells every peer that the node is stopping, ends all connections and releases the port once
    /// the last clone of this handle is dropped. Requests in flight fail.
    pub async fn close(&self) {
        self.close_connections();
        if runtime::timeout(CLOSE_TIMEOUT, self.endpoint.close()).await.is_err() {
            tracing::warn!("the endpoint did not close in time");
        }
    }

    fn close_connections(&self) {
        self.transport.close();
        self.batchers.close();
        self.connections.close_where(|_, _| true, CloseCode::Shutdown, "the node is stopping");
    }
}

impl Drop for NodeNet {
    /// Connections live by themselves as long as both ends answer; a handle that is dropped without
    /// [`NodeNet::close`] must not leave them behind.
    fn drop(&mut self) {
        self.close_connections();
    }
}

fn loopback(mut address: SocketAddr) -> SocketAddr {
    address.set_ip(match address {
        SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    });
    address
}

async fn keep_connected(
    endpoint: Endpoint,
    transport: Arc<PeerTransport>,
    mut stop: watch::Receiver<()>,
) {
    while !endpoint.is_closed() {
        transport.ensure_connected();
        // Only the end of the node ends this wait early.
        if runtime::timeout(KEEP_CONNECTED_INTERVAL, stop.changed()).await.is_ok() {
            return;
        }
    }
}

//! A client's endpoint.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{ClientRequest, ClientResponse, EndpointKey, runtime};
use iroh::Endpoint;
use parking_lot::Mutex;

use crate::batch::Batcher;
use crate::close::CloseCode;
use crate::connections::Connections;
use crate::dial::Dialer;
use crate::hello::Identity;
use crate::protocol::Protocol;
use crate::slot::Slot;
use crate::{
    BindError, CallError, ClientNetOptions, NetMetrics, PeerAddress, Reach, SecretKey, Ticket,
    endpoint,
};

/// How many nodes a process calls at a time; nodes that it no longer calls make room.
const CALLED_NODES_MAX: usize = 10_000;

/// How long closing may wait for the last packets to leave.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// A client's endpoint. Calls from any number of tasks share one connection per node and travel in
/// common batches.
pub struct ClientNet {
    endpoint: Endpoint,
    connections: Arc<Connections>,
    batchers: Batchers,
}

impl ClientNet {
    /// Opens an endpoint for the ticket's cluster. Nothing is sent yet.
    ///
    /// # Errors
    /// [`BindError`] when the options contradict each other or no socket can be opened.
    pub async fn bind(ticket: &Ticket, options: ClientNetOptions) -> Result<Arc<Self>, BindError> {
        let secret = options.secret.unwrap_or_else(SecretKey::generate);
        let listen = match options.reach {
            Reach::Loopback => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            Reach::Lan | Reach::Relay { .. } => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        };
        let builder = endpoint::builder(&secret, listen, &options.reach, &options.timings)?;
        let endpoint = endpoint::bind(builder, listen).await?;
        let connections = Arc::<Connections>::default();
        let dialer = Arc::new(Dialer {
            endpoint: endpoint.clone(),
            relay: endpoint::relay_url(&options.reach)?,
            timings: options.timings,
            connections: Arc::clone(&connections),
            members: Arc::default(),
            identity: Identity::Client { cluster: ticket.cluster, grant: ticket.grant.clone() },
        });
        Ok(Arc::new(Self { endpoint, connections, batchers: Batchers::new(dialer) }))
    }

    /// Sends a request to a node and waits for its answer, at most `timeout`.
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

    /// Counters and what is open now.
    pub fn metrics(&self) -> NetMetrics {
        self.connections.metrics(|_| false)
    }

    /// Ends every connection. Calls in flight fail.
    pub async fn close(&self) {
        self.close_connections();
        if runtime::timeout(CLOSE_TIMEOUT, self.endpoint.close()).await.is_err() {
            tracing::warn!("the endpoint did not close in time");
        }
    }

    fn close_connections(&self) {
        self.batchers.close();
        self.connections.close_where(|_, _| true, CloseCode::Done, "the client is done");
    }
}

impl Drop for ClientNet {
    /// Connections live by themselves as long as both ends answer; a handle that is dropped without
    /// [`ClientNet::close`] must not leave them behind.
    fn drop(&mut self) {
        self.close_connections();
    }
}

/// The nodes that a process calls, each with its batcher.
pub(crate) struct Batchers {
    dialer: Arc<Dialer>,
    nodes: Mutex<BTreeMap<EndpointKey, Called>>,
}

struct Called {
    batcher: Arc<Batcher>,
    /// Compared with every call's, so that a node that moved is found again.
    address: PeerAddress,
}

impl Batchers {
    /// Calls nobody yet.
    pub(crate) fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer, nodes: Mutex::default() }
    }

    /// Sends a request to a node.
    pub(crate) async fn call(
        &self,
        peer: &PeerAddress,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError> {
        let batcher = self.batcher(peer)?;
        batcher.call(request, timeout).await
    }

    /// Ends every connection for good.
    pub(crate) fn close(&self) {
        for called in self.nodes.lock().values() {
            called.batcher.slot().close(CloseCode::Done, "the caller is done");
        }
    }

    fn batcher(&self, peer: &PeerAddress) -> Result<Arc<Batcher>, CallError> {
        let mut nodes = self.nodes.lock();
        if let Some(called) = nodes.get_mut(&peer.endpoint) {
            if called.address != *peer {
                called.address = peer.clone();
                called.batcher.slot().set_peer(peer);
            }
            return Ok(Arc::clone(&called.batcher));
        }
        if nodes.len() >= CALLED_NODES_MAX {
            nodes.retain(|_, called| !called.batcher.is_unused());
        }
        if nodes.len() >= CALLED_NODES_MAX {
            let text = format!("{CALLED_NODES_MAX} nodes are being called (CALLED_NODES_MAX)");
            return Err(CallError::Unreachable(text));
        }
        let slot = Slot::new(Arc::clone(&self.dialer), peer.clone(), Protocol::Client);
        let batcher = Batcher::new(slot);
        let called = Called { batcher: Arc::clone(&batcher), address: peer.clone() };
        nodes.insert(peer.endpoint, called);
        Ok(batcher)
    }
}

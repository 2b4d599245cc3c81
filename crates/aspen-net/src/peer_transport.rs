//! [`Transport`] over two connections per peer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    Lane, MESSAGE_BYTES_MAX, NodeId, NodeRecord, PeerRejection, PeerRequest, Transport,
    TransportError, runtime,
};
use async_trait::async_trait;
use bytes::Bytes;
use irpc::Client;
use irpc_iroh::IrohRemoteConnection;
use parking_lot::RwLock;

use crate::PeerAddress;
use crate::close::CloseCode;
use crate::deadline::{deadline_after, within};
use crate::dial::{DialError, Dialer};
use crate::protocol::{PeerCall, PeerService, Protocol};
use crate::slot::Slot;

/// The connections to the other members.
pub(crate) struct PeerTransport {
    node: NodeId,
    dialer: Arc<Dialer>,
    peers: RwLock<BTreeMap<NodeId, Peer>>,
}

struct Peer {
    address: PeerAddress,
    consensus: Arc<Slot>,
    bulk: Arc<Slot>,
}

impl Peer {
    fn new(dialer: &Arc<Dialer>, address: PeerAddress) -> Self {
        let slot = |protocol| Slot::new(Arc::clone(dialer), address.clone(), protocol);
        Self { consensus: slot(Protocol::Consensus), bulk: slot(Protocol::Bulk), address }
    }

    fn slot(&self, lane: Lane) -> &Arc<Slot> {
        match lane {
            Lane::Consensus => &self.consensus,
            Lane::Bulk => &self.bulk,
        }
    }

    fn close(&self, code: CloseCode, reason: &str) {
        self.consensus.close(code, reason);
        self.bulk.close(code, reason);
    }
}

impl PeerTransport {
    /// To nobody yet.
    pub(crate) fn new(node: NodeId, dialer: Arc<Dialer>) -> Self {
        Self { node, dialer, peers: RwLock::default() }
    }

    /// Replaces the peers; connections to peers that stay stay open.
    pub(crate) fn set_peers(&self, records: &[NodeRecord]) {
        let mut peers = self.peers.write();
        let mut before = std::mem::take(&mut *peers);
        for record in records.iter().filter(|record| record.id != self.node) {
            let address = PeerAddress::from(record);
            let known = before.remove(&record.id);
            let peer = match known.filter(|peer| peer.address.endpoint == address.endpoint) {
                Some(peer) => {
                    peer.consensus.set_peer(&address);
                    peer.bulk.set_peer(&address);
                    Peer { address, ..peer }
                }
                None => Peer::new(&self.dialer, address),
            };
            peers.insert(record.id, peer);
        }
        before.values().for_each(|peer| peer.close(CloseCode::Done, "no longer a member"));
    }

    /// Begins to connect to every peer whose consensus connection is down.
    pub(crate) fn ensure_connected(&self) {
        self.peers.read().values().for_each(|peer| peer.consensus.ensure());
    }

    /// The peer called us, so it lives.
    pub(crate) fn wake(&self, node: NodeId) {
        if let Some(peer) = self.peers.read().get(&node) {
            peer.consensus.wake();
            peer.bulk.wake();
        }
    }

    /// Ends every connection for good.
    pub(crate) fn close(&self) {
        let peers = std::mem::take(&mut *self.peers.write());
        peers.values().for_each(|peer| peer.close(CloseCode::Shutdown, "the node is stopping"));
    }

    /// The peers, by id.
    pub(crate) fn peers(&self) -> Vec<(NodeId, PeerAddress)> {
        self.peers.read().iter().map(|(node, peer)| (*node, peer.address.clone())).collect()
    }

    fn slot(&self, node: NodeId, lane: Lane) -> Result<Arc<Slot>, TransportError> {
        let peers = self.peers.read();
        let slot = peers.get(&node).map(|peer| Arc::clone(peer.slot(lane)));
        slot.ok_or_else(|| TransportError::Unreachable {
            node,
            detail: "no member of that id is known".to_owned(),
        })
    }
}

#[async_trait]
impl Transport for PeerTransport {
    async fn call(
        &self,
        target: NodeId,
        lane: Lane,
        request: PeerRequest,
        timeout: Duration,
    ) -> Result<Bytes, TransportError> {
        let len = request.payload.len();
        if len > MESSAGE_BYTES_MAX {
            return Err(TransportError::TooLarge { len });
        }
        let (begun, deadline) = (runtime::now(), deadline_after(timeout));
        let connection = within(deadline, self.slot(target, lane)?.connection())
            .await
            .unwrap_or_else(|| Err(DialError::Unreachable("not connected in time".to_owned())))
            .map_err(|error| dial_failure(target, error))?;
        let client = Client::<PeerService>::boxed(IrohRemoteConnection::new(connection.clone()));
        match within(deadline, client.rpc(PeerCall(request))).await {
            Some(Ok(Ok(reply))) => Ok(reply),
            Some(Ok(Err(rejection))) => Err(TransportError::Rejected { node: target, rejection }),
            Some(Err(irpc::Error::Request { .. })) => {
                let error = DialError::of_closed(&connection, "the connection has ended");
                Err(dial_failure(target, error))
            }
            // The connection ended after the message was sent: the peer may have it, which is what
            // a timeout says.
            Some(Err(_)) | None => Err(TransportError::Timeout {
                node: target,
                timeout_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }
}

fn dial_failure(node: NodeId, error: DialError) -> TransportError {
    match error {
        DialError::Unreachable(detail) => TransportError::Unreachable { node, detail },
        DialError::NotMember(reason) | DialError::Denied(reason) => {
            TransportError::Rejected { node, rejection: PeerRejection::NotMember(reason) }
        }
    }
}

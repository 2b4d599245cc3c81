//! Nodes with trivial handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aspen_core::{
    Caller, ClientRequest, ClientResponse, ClusterId, Consistency, ControlError, ControlResponse,
    GroupId, JoinReply, JoinRequest, Key, KeyValue, Lane, NodeId, NodeRecord, PeerHandler,
    PeerRejection, PeerRequest, ReadReply, ReadRequest, Reply, RequestHandler, Revision, Rights,
    Transport, TransportError, Value, runtime,
};
use aspen_net::{
    ClientNet, ClientNetOptions, Cookie, Grant, NetTimings, NodeNet, NodeNetOptions, PeerAddress,
    SecretKey, Ticket,
};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

pub(crate) const CLUSTER: ClusterId = ClusterId::new([1; 16]);
/// Far above what anything here takes; only a failure waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const KIND_ECHO: u8 = 0;
pub(crate) const KIND_REJECT: u8 = 1;
pub(crate) const KIND_BLOCK: u8 = 2;
pub(crate) const KIND_HUGE: u8 = 3;

/// Answers members and clients, and remembers what it saw.
#[derive(Default)]
pub(crate) struct Handler {
    pub(crate) peer_calls: Mutex<Vec<NodeId>>,
    pub(crate) batches: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    pub(crate) callers: Mutex<Vec<Caller>>,
    pub(crate) joins: Mutex<Vec<JoinRequest>>,
    /// Somebody waits for `gate`.
    pub(crate) blocked: Notify,
    pub(crate) gate: Gate,
}

/// Closed until permits are added.
pub(crate) struct Gate(pub(crate) Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

#[async_trait]
impl PeerHandler for Handler {
    async fn handle(&self, from: NodeId, request: PeerRequest) -> Result<Bytes, PeerRejection> {
        self.peer_calls.lock().push(from);
        match request.kind {
            KIND_REJECT => Err(PeerRejection::NoSuchGroup(request.group)),
            KIND_HUGE => Ok(Bytes::from(vec![0; aspen_core::MESSAGE_BYTES_MAX + 1])),
            KIND_BLOCK => {
                self.blocked.notify_one();
                self.gate.0.acquire().await.unwrap().forget();
                Ok(request.payload)
            }
            _ => Ok(request.payload),
        }
    }
}

#[async_trait]
impl RequestHandler for Handler {
    async fn handle(&self, caller: Caller, requests: Vec<ClientRequest>) -> Vec<ClientResponse> {
        self.batches.fetch_add(1, Ordering::SeqCst);
        self.requests.fetch_add(requests.len(), Ordering::SeqCst);
        self.callers.lock().push(caller);
        let blocks = |request: &ClientRequest| match request {
            ClientRequest::Read { request, .. } => request.keys[0].as_bytes() == b"block",
            _ => false,
        };
        if requests.iter().any(blocks) {
            self.blocked.notify_one();
            self.gate.0.acquire().await.unwrap().forget();
        }
        requests.into_iter().map(answer).collect()
    }

    async fn join(&self, request: JoinRequest) -> JoinReply {
        let nodes = vec![request.node.clone()];
        self.joins.lock().push(request);
        JoinReply::Welcome { cluster: CLUSTER, nodes }
    }
}

fn answer(request: ClientRequest) -> ClientResponse {
    match request {
        ClientRequest::Read { request, .. } => {
            let values = request.keys.into_iter().map(value_of).collect();
            ClientResponse::Read(Ok(ReadReply { revision: Revision::new(9), values }))
        }
        ClientRequest::Propose { .. } => ClientResponse::Propose(Ok(Reply::SessionOpen)),
        ClientRequest::Scan { .. } => {
            ClientResponse::Scan(Err(aspen_core::ReadError::Unavailable("no scans".to_owned())))
        }
        ClientRequest::Control(aspen_core::ControlRequest::Status) => {
            ClientResponse::Control(Err(ControlError::Unavailable("no status".to_owned())))
        }
        ClientRequest::Control(_) => ClientResponse::Control(Ok(ControlResponse::Done)),
        ClientRequest::Watch { .. } => {
            ClientResponse::Watch(Err(aspen_core::WatchPollError::UnknownSession))
        }

        ClientRequest::Lease { .. } => {
            ClientResponse::Lease(Err(aspen_core::ReadError::Unavailable("no leases".to_owned())))
        }
        ClientRequest::Sql { .. } => {
            let error = aspen_core::SqlError::Unsupported("no SQL here".to_owned());
            ClientResponse::Sql(Err(error))
        }
    }
}

/// Echoes the key; a key that begins with `big` has a value of 1 MiB.
fn value_of(key: Key) -> Option<KeyValue> {
    let len = if key.as_bytes().starts_with(b"big") { aspen_core::VALUE_BYTES_MAX } else { 1 };
    let value = Value::new(vec![7; len]).unwrap();
    let revision = Revision::new(1);
    Some(KeyValue {
        key,
        value,
        version: 1,
        create_revision: revision,
        mod_revision: revision,
        lease: None,
    })
}

pub(crate) struct Node {
    pub(crate) net: Arc<NodeNet>,
    pub(crate) handler: Arc<Handler>,
}

pub(crate) fn cookie() -> Cookie {
    Cookie::new("the cookie of the tests").unwrap()
}

/// A busy machine must not look like a dead peer.
pub(crate) fn patient() -> NetTimings {
    NetTimings {
        idle_timeout_ms: 10_000,
        connect_timeout_ms: 10_000,
        handshake_timeout_ms: 10_000,
        ..NetTimings::default()
    }
}

pub(crate) fn options(id: u64) -> NodeNetOptions {
    let options = NodeNetOptions::new(NodeId::new(id), SecretKey::generate(), cookie());
    NodeNetOptions { timings: patient(), ..options }
}

/// As [`options`], for tests that wait until a dead peer is noticed.
pub(crate) fn watchful(id: u64) -> NodeNetOptions {
    let timings = NetTimings { idle_timeout_ms: 2_000, connect_timeout_ms: 2_000, ..patient() };
    NodeNetOptions { timings, ..options(id) }
}

/// A node that serves, of the cluster but without members.
pub(crate) async fn start(options: NodeNetOptions) -> Node {
    let net = NodeNet::bind(options).await.unwrap();
    let handler = Arc::new(Handler::default());
    net.set_cluster(CLUSTER);
    net.serve(handler.clone(), handler.clone());
    Node { net, handler }
}

/// Nodes 1 to `count` that know each other.
pub(crate) async fn cluster(count: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    for id in 1..=count {
        nodes.push(start(options(id)).await);
    }
    introduce(&nodes);
    nodes
}

pub(crate) fn introduce(nodes: &[Node]) {
    let records: Vec<NodeRecord> = nodes.iter().map(|node| node.net.record()).collect();
    nodes.iter().for_each(|node| node.net.set_peers(records.clone()));
}

pub(crate) fn address(node: &Node) -> PeerAddress {
    PeerAddress::from(&node.net.record())
}

pub(crate) fn ticket(node: &Node, grant: Option<Grant>) -> Ticket {
    Ticket { cluster: CLUSTER, peers: vec![address(node)], grant }
}

pub(crate) async fn client(ticket: &Ticket) -> Arc<ClientNet> {
    let options = ClientNetOptions { timings: patient(), ..ClientNetOptions::default() };
    ClientNet::bind(ticket, options).await.unwrap()
}

/// A client with a grant of the node.
pub(crate) async fn client_of(node: &Node, rights: Rights) -> Arc<ClientNet> {
    client(&ticket(node, Some(node.net.issue_grant(rights, None).unwrap()))).await
}

pub(crate) fn read(key: &str) -> ClientRequest {
    let request = ReadRequest::one(Key::try_from(key).unwrap());
    ClientRequest::Read { group: GroupId::META, request }
}

pub(crate) fn stale_read(key: &str) -> ClientRequest {
    let request = ReadRequest::one(Key::try_from(key).unwrap());
    let request = ReadRequest { consistency: Consistency::Stale, ..request };
    ClientRequest::Read { group: GroupId::META, request }
}

pub(crate) fn key_of(response: &ClientResponse) -> String {
    match response {
        ClientResponse::Read(Ok(reply)) => {
            reply.values[0].as_ref().map(|entry| entry.key.to_string()).unwrap()
        }
        other => panic!("no read reply: {other:?}"),
    }
}

pub(crate) fn message(kind: u8, payload: impl Into<Bytes>) -> PeerRequest {
    PeerRequest { group: GroupId::META, kind, payload: payload.into() }
}

pub(crate) async fn peer_call(
    from: &Node,
    to: u64,
    lane: Lane,
    request: PeerRequest,
) -> Result<Bytes, TransportError> {
    let transport: Arc<dyn Transport> = from.net.transport();
    transport.call(NodeId::new(to), lane, request, PATIENCE).await
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = runtime::timeout(PATIENCE, async {
        while !condition() {
            runtime::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

/// Repeats a call until it succeeds.
pub(crate) async fn until_ok<T, E: std::fmt::Debug, F: Future<Output = Result<T, E>>>(
    mut call: impl FnMut() -> F,
) -> T {
    let mut last = None;
    let tried = runtime::timeout(PATIENCE, async {
        loop {
            match call().await {
                Ok(value) => return value,
                Err(error) => last = Some(error),
            }
            runtime::sleep(Duration::from_millis(5)).await;
        }
    });
    match tried.await {
        Ok(value) => value,
        Err(_) => panic!("never succeeded, last: {last:?}"),
    }
}

//! Accepts connections and serves each by its protocol.

use std::sync::Arc;

use aspen_core::{
    Caller, ClientRequest, ClientResponse, InvalidRequest, MESSAGE_BYTES_MAX, NodeId, PeerHandler,
    PeerRejection, ReadError, RequestHandler, WriteError, WriteFailure, runtime,
};
use iroh::Endpoint;
use iroh::endpoint::{Connection, Incoming};
use irpc::WithChannels;
use irpc::channel::mpsc;
use tokio::sync::{Semaphore, watch};

use crate::close::{CloseCode, close};
use crate::connections::Connections;
use crate::endpoint::endpoint_key;
use crate::hello::{Admitted, receive_hello};
use crate::join::receive_join;
use crate::members::Members;
use crate::peer_transport::PeerTransport;
use crate::protocol::{ClientMessage, ClientService, PeerMessage, PeerService, Protocol};
use crate::size::response_bytes_max;
use crate::streams::{InboundBudget, serve_streams};
use crate::{Cookie, NetTimings};

/// How many handshakes may run at a time; further connections are refused, which their callers
/// notice at once. A handshake costs CPU, so more would only make all of them time out.
const HANDSHAKES_MAX: usize = 256;

/// How many joins may run at a time, strangers that have not proved anything included.
const JOINS_MAX: usize = 16;

/// A message of responses is sent when it reaches this many bytes: well below the message limit,
/// so that one more response of any usual size still fits.
const RESPONSE_BYTES_TARGET: usize = 4 * 1024 * 1024;

const _: () = assert!(RESPONSE_BYTES_TARGET < MESSAGE_BYTES_MAX);

/// Everything that serving needs.
pub(crate) struct Server {
    pub(crate) endpoint: Endpoint,
    pub(crate) members: Arc<Members>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) transport: Arc<PeerTransport>,
    pub(crate) cookie: Cookie,
    pub(crate) timings: NetTimings,
    pub(crate) budgets: Budgets,
    pub(crate) peers: Arc<dyn PeerHandler>,
    pub(crate) requests: Arc<dyn RequestHandler>,
    pub(crate) limits: Limits,
}

/// Bytes of requests that may be in memory, by protocol: clients that use up theirs delay no
/// heartbeat, and bulk does not either.
pub(crate) struct Budgets {
    consensus: InboundBudget,
    bulk: InboundBudget,
    client: InboundBudget,
}

impl Budgets {
    /// `bytes_max` for each.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let budget = || InboundBudget::new(bytes_max);
        Self { consensus: budget(), bulk: budget(), client: budget() }
    }
}

/// What may run at a time.
pub(crate) struct Limits {
    handshakes: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    joins: Arc<Semaphore>,
}

impl Limits {
    /// The limits of one endpoint.
    pub(crate) fn new(connections_max: usize) -> Self {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self {
            handshakes: semaphore(HANDSHAKES_MAX),
            connections: semaphore(connections_max),
            joins: semaphore(JOINS_MAX),
        }
    }
}

impl Server {
    /// Accepts until the endpoint closes,
    /// or whoever holds the other end of `stop` is gone.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<()>) {
        loop {
            let incoming = tokio::select! {
                biased;
                _ = stop.changed() => return,
                incoming = self.endpoint.accept() => incoming,
            };
            let Some(incoming) = incoming else { return };
            let Ok(permit) = Arc::clone(&self.limits.handshakes).try_acquire_owned() else {
                self.connections.count_rejected();
                incoming.refuse();
                continue;
            };
            let server = Arc::clone(&self);
            runtime::spawn(async move {
                let connection = server.handshake(incoming).await;
                drop(permit);
                if let Some(connection) = connection {
                    server.serve(connection).await;
                }
            });
        }
    }

    async fn handshake(&self, incoming: Incoming) -> Option<Connection> {
        let accepting = incoming.accept().ok()?;
        match runtime::timeout(self.timings.handshake_timeout(), accepting).await {
            Ok(Ok(connection)) => Some(connection),
            Ok(Err(error)) => {
                tracing::debug!(error = %format_args!("{error:#}"), "handshake failed");
                None
            }
            Err(_) => None,
        }
    }

    async fn serve(&self, connection: Connection) {
        let Some(protocol) = Protocol::from_alpn(connection.alpn()) else { return };
        if protocol.is_members_only() {
            self.connections.follow(&connection, protocol);
            return self.serve_peer(&connection, protocol).await;
        }
        // Members do not count: clients must not be able to lock them out.
        let Ok(_room) = self.limits.connections.try_acquire() else {
            self.connections.count_rejected();
            return close(&connection, CloseCode::Busy, "too many connections");
        };
        self.connections.follow(&connection, protocol);
        match protocol {
            Protocol::Join => self.serve_join(&connection).await,
            _ => self.serve_client(&connection).await,
        }
    }

    /// Waits for the hello within the deadline; closes the connection otherwise.
    async fn admit(&self, connection: &Connection) -> Option<Admitted> {
        let hello = receive_hello(connection, &self.members, &self.cookie);
        let (code, reason) = match runtime::timeout(self.timings.handshake_timeout(), hello).await {
            Ok(Ok(admitted)) => return Some(admitted),
            Ok(Err(refusal)) => (refusal.code, refusal.reason),
            Err(_) => (CloseCode::Denied, "no hello in time".to_owned()),
        };
        self.connections.count_rejected();
        tracing::info!(%reason, "refused a connection");
        close(connection, code, &reason);
        None
    }

    async fn serve_peer(&self, connection: &Connection, protocol: Protocol) {
        if self.admit(connection).await.is_none() {
            return;
        }
        let Some(from) = self.members.node_of(endpoint_key(connection.remote_id())) else {
            return close(connection, CloseCode::NotMember, "no longer a member");
        };
        self.transport.wake(from);
        let budget = match protocol {
            Protocol::Bulk => &self.budgets.bulk,
            _ => &self.budgets.consensus,
        };
        let handler = Arc::clone(&self.peers);
        serve_streams::<PeerService, _, _>(connection, budget, move |message| {
            answer_peer(Arc::clone(&handler), from, message)
        })
        .await;
    }

    async fn serve_client(&self, connection: &Connection) {
        let Some(admitted) = self.admit(connection).await else { return };
        let endpoint = endpoint_key(connection.remote_id());
        let serving = Arc::new(ClientServing {
            caller: Caller { endpoint, rights: admitted.rights },
            expires_ms: admitted.expires_ms,
            connection: connection.clone(),
            connections: Arc::clone(&self.connections),
            handler: Arc::clone(&self.requests),
        });
        serve_streams::<ClientService, _, _>(connection, &self.budgets.client, move |message| {
            Arc::clone(&serving).answer(message)
        })
        .await;
    }

    async fn serve_join(&self, connection: &Connection) {
        let Ok(_permit) = self.limits.joins.try_acquire() else {
            self.connections.count_rejected();
            return close(connection, CloseCode::Busy, "too many joins; try again");
        };
        let timeout = self.timings.handshake_timeout();
        if let Err(refusal) =
            receive_join(connection, &self.cookie, self.requests.as_ref(), timeout).await
        {
            self.connections.count_rejected();
            tracing::warn!(reason = refusal.reason, "refused a process that asked to join");
            close(connection, refusal.code, &refusal.reason);
        }
    }
}

async fn answer_peer(handler: Arc<dyn PeerHandler>, from: NodeId, message: PeerMessage) {
    let PeerMessage::Peer(WithChannels { inner, tx, .. }) = message;
    let answer = match handler.handle(from, inner.0).await {
        Ok(reply) if reply.len() > MESSAGE_BYTES_MAX => {
            let len = reply.len();
            let text =
                format!("answer of {len} bytes exceeds {MESSAGE_BYTES_MAX} (MESSAGE_BYTES_MAX)");
            Err(PeerRejection::Unavailable(text))
        }
        answer => answer,
    };
    // A peer that stopped waiting is no failure of ours.
    let _ = tx.send(answer).await;
}

/// One client's connection.
struct ClientServing {
    caller: Caller,
    expires_ms: Option<u64>,
    connection: Connection,
    connections: Arc<Connections>,
    handler: Arc<dyn RequestHandler>,
}

impl ClientServing {
    async fn answer(self: Arc<Self>, message: ClientMessage) {
        let ClientMessage::Batch(WithChannels { inner, tx, .. }) = message;
        let requests = inner.0;
        if self.expires_ms.is_some_and(|expires_ms| runtime::unix_time_ms() >= expires_ms) {
            let reason = "the grant has expired; ask for a new ticket";
            return close(&self.connection, CloseCode::Denied, reason);
        }
        self.connections.count_batch(requests.len());
        // A query that nobody waits for any more would only take time from others.
        let only_queries = requests.iter().all(|it| matches!(it, ClientRequest::Sql { .. }));
        let handling = self.handler.handle(self.caller, requests);
        let responses = tokio::select! {
            biased;
            responses = handling => responses,
            () = tx.closed(), if only_queries => return,
        };
        send_responses(&tx, responses).await;
    }
}

/// Sends the responses, in as many messages as their sizes need.
async fn send_responses(tx: &mpsc::Sender<Vec<ClientResponse>>, responses: Vec<ClientResponse>) {
    let (mut message, mut bytes) = (Vec::with_capacity(responses.len()), 0);
    for response in responses {
        let (response, len) = within_limit(response);
        if bytes + len > RESPONSE_BYTES_TARGET && !message.is_empty() {
            if tx.send(std::mem::take(&mut message)).await.is_err() {
                return;
            }
            bytes = 0;
        }
        bytes += len;
        message.push(response);
    }
    // A client that stopped waiting is no failure of ours.
    let _ = tx.send(message).await;
}

/// The response and its length, or an error in its place when it fits no message.
fn within_limit(response: ClientResponse) -> (ClientResponse, usize) {
    let len = response_bytes_max(&response);
    if len <= MESSAGE_BYTES_MAX {
        return (response, len);
    }
    let limit = InvalidRequest::limit("MESSAGE_BYTES_MAX of the answer", MESSAGE_BYTES_MAX, len);
    let response = match response {
        ClientResponse::Read(_) => ClientResponse::Read(Err(ReadError::Invalid(limit))),
        ClientResponse::Scan(_) => ClientResponse::Scan(Err(ReadError::Invalid(limit))),
        // The write was applied; only its results do not fit.
        ClientResponse::Propose(_) => {
            ClientResponse::Propose(Err(WriteError::maybe_applied(WriteFailure::Invalid(limit))))
        }
        ClientResponse::Watch(_) => ClientResponse::Watch(Err(ReadError::Invalid(limit).into())),
        ClientResponse::Control(_) => {
            ClientResponse::Control(Err(aspen_core::ControlError::Invalid(limit.to_string())))
        }
        ClientResponse::Lease(_) => ClientResponse::Lease(Err(ReadError::Invalid(limit))),
        ClientResponse::Sql(_) => ClientResponse::Sql(Err(limit.into())),
    };
    let len = response_bytes_max(&response);
    (response, len)
}

//! How a running process takes and answers messages.

use std::sync::Arc;

use aspen_core::{
    Caller, ClientRequest, JoinRequest, NodeId, PeerHandler, PeerRejection, PeerRequest,
    RequestHandler, Rights, codec, runtime,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::letter::Delivery;
use super::peers::PeerAnswer;
use super::{Kind, Party, Server, SimNetwork};
use crate::sim::oracle::{Oracle, Replica};

/// How many requests of clients share a batch, at most, as a real connection gathers them.
const BATCH_MAX: usize = 32;

/// Who answers in a process. Nobody answers clients before it has entered a cluster.
#[derive(Clone)]
pub(crate) struct Handlers {
    pub(crate) peers: Arc<dyn PeerHandler>,
    pub(crate) requests: Arc<dyn RequestHandler>,
    /// Sees what is answered to peers.
    pub(crate) oracle: Arc<Oracle>,
}

impl SimNetwork {
    /// Makes a process known, so that it can name its peers; it answers once [`serve`] was called.
    /// What was there under this id before gets no more messages.
    pub(crate) fn attach(&self, node: NodeId) -> Inbox {
        let (inbox, receiver) = mpsc::unbounded_channel();
        let endpoint = Party::Node(node).endpoint();
        let server = Server { endpoint, inbox, peers: [node].into() };
        self.state.lock().servers.insert(node, server);
        Inbox(receiver)
    }

    /// The process has ended.
    pub(crate) fn detach(&self, node: NodeId) {
        self.state.lock().servers.remove(&node);
    }
}

/// What has arrived for a process.
pub(crate) struct Inbox(mpsc::UnboundedReceiver<Delivery>);

/// Takes messages and answers each in a task, until the process ends.
pub(crate) async fn serve(
    network: Arc<SimNetwork>,
    node: NodeId,
    inbox: Inbox,
    handlers: Handlers,
) {
    let Inbox(mut inbox) = inbox;
    let mut waiting = Vec::new();
    while inbox.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        let mut batches: Vec<(Party, Vec<Delivery>)> = Vec::new();
        for delivery in waiting.drain(..) {
            match delivery.kind {
                Kind::Peer(_) => {
                    let member = network.knows_peer(node, node_of(delivery.from));
                    runtime::spawn(answer_peer(handlers.clone(), node, delivery, member));
                }
                Kind::Join => {
                    runtime::spawn(answer_join(handlers.clone(), delivery));
                }
                // Answered when something happens: it shares a batch with nothing.
                Kind::Client if is_watch(&delivery) => {
                    let from = delivery.from;
                    runtime::spawn(answer_clients(handlers.clone(), from, vec![delivery]));
                }
                Kind::Client => gather(&mut batches, delivery),
            }
        }
        for (from, batch) in batches {
            runtime::spawn(answer_clients(handlers.clone(), from, batch));
        }
    }
}

fn gather(batches: &mut Vec<(Party, Vec<Delivery>)>, delivery: Delivery) {
    match batches.iter_mut().find(|(from, _)| *from == delivery.from) {
        Some((_, batch)) => batch.push(delivery),
        None => batches.push((delivery.from, vec![delivery])),
    }
}

fn is_watch(delivery: &Delivery) -> bool {
    matches!(decode(delivery), Ok(ClientRequest::Watch { .. }))
}

fn node_of(party: Party) -> NodeId {
    match party {
        Party::Node(node) => node,
        Party::Client(_) => NodeId::default(),
    }
}

async fn answer_peer(handlers: Handlers, node: NodeId, delivery: Delivery, member: bool) {
    let answer: PeerAnswer = match decode::<PeerRequest>(&delivery) {
        Ok(_) if !member => Err(PeerRejection::NotMember("not known here".to_owned())),
        Ok(request) => observed(&handlers, node, node_of(delivery.from), request).await,
        Err(error) => Err(PeerRejection::Malformed(error)),
    };
    reply(delivery, &answer);
}

/// What a node answers to a peer, with the oracle looking on.
async fn observed(
    handlers: &Handlers,
    node: NodeId,
    from: NodeId,
    request: PeerRequest,
) -> PeerAnswer {
    let replica = Replica { node, group: request.group };
    let begun = handlers.oracle.appends_begun(replica);
    let answer = handlers.peers.handle(from, request).await?;
    handlers.oracle.answers(replica, begun);
    Ok(answer)
}

async fn answer_join(handlers: Handlers, delivery: Delivery) {
    if let Ok(request) = decode::<JoinRequest>(&delivery) {
        let answer = handlers.requests.join(request).await;
        reply(delivery, &answer);
    }
}

async fn answer_clients(handlers: Handlers, from: Party, batch: Vec<Delivery>) {
    let caller = Caller { endpoint: from.endpoint(), rights: Rights::Admin };
    let mut deliveries = Vec::new();
    let mut requests = Vec::new();
    for delivery in batch {
        if let Ok(request) = decode::<ClientRequest>(&delivery) {
            requests.push(request);
            deliveries.push(delivery);
        }
    }
    let answers = handlers.requests.handle(caller, requests).await;
    assert_eq!(answers.len(), deliveries.len(), "one answer per request");
    for (delivery, answer) in deliveries.into_iter().zip(answers) {
        reply(delivery, &answer);
    }
}

fn decode<T: DeserializeOwned>(delivery: &Delivery) -> Result<T, String> {
    codec::decode(&delivery.bytes).map_err(|error| error.to_string())
}

fn reply(delivery: Delivery, answer: &impl Serialize) {
    let bytes = codec::encode(answer).expect("answers can be encoded");
    delivery.reply.send(bytes);
}

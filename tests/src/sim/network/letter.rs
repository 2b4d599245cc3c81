//! What travels, and how its answer comes back.

use std::sync::Arc;

use aspen_core::NodeId;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{Leg, Party, Passage, SimNetwork};
use crate::sim::trace;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Between replicas; the number is consensus' own.
    Peer(u8),
    /// Of a client.
    Client,
    /// Of a process that asks to become a node.
    Join,
}

impl Kind {
    /// Whether its messages may arrive twice. Clients ask on streams of a connection, which lose
    /// what they carry or deliver it once; replicas must bear more, since they send again what was
    /// lost.
    pub(super) fn may_repeat(self) -> bool {
        matches!(self, Self::Peer(_))
    }

    /// A number for the trace.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Peer(kind) => kind,
            Self::Client => 100,
            Self::Join => 101,
        }
    }
}

/// A message before its receiver.
pub(super) struct Delivery {
    pub(super) from: Party,
    pub(super) kind: Kind,
    pub(super) bytes: Bytes,
    pub(super) reply: ReplyPath,
}

/// What comes back.
#[derive(Debug)]
pub(super) enum Answer {
    /// The receiver's encoded answer.
    Bytes(Bytes),
    /// No process is there.
    NobodyThere,
}

type Waiter = Arc<Mutex<Option<oneshot::Sender<Answer>>>>;

/// The way back to who waits for an answer. Dropped without use, the waiter never hears.
#[derive(Clone)]
pub(super) struct ReplyPath {
    network: Arc<SimNetwork>,
    passage: Passage,
    waiter: Waiter,
}

impl ReplyPath {
    /// Sends the answer back.
    pub(super) fn send(self, bytes: Bytes) {
        let passage = Passage { len: bytes.len(), ..self.passage };
        let digest = trace::hash_bytes(&bytes);
        let waiter = self.waiter;
        self.network.carry(passage, move || {
            passage.record("answered");
            trace::record("answer", [digest, 0, 0, 0]);
            give(&waiter, Answer::Bytes(bytes.clone()));
        });
    }

    /// The machine answers that there is no such process.
    pub(super) fn nobody_there(self) {
        let waiter = self.waiter;
        let passage = Passage { len: 0, ..self.passage };
        self.network.carry(passage, move || give(&waiter, Answer::NobodyThere));
    }
}

fn give(waiter: &Waiter, answer: Answer) {
    if let Some(waiter) = waiter.lock().take() {
        // Whoever asked may have given up.
        let _ = waiter.send(answer);
    }
}

impl SimNetwork {
    /// Sends a message to a node; its answer, if any, comes through the channel. The channel closes
    /// when none can come any more.
    pub(super) fn send(
        self: &Arc<Self>,
        from: Party,
        to: NodeId,
        kind: Kind,
        bytes: Bytes,
    ) -> oneshot::Receiver<Answer> {
        let (sender, answer) = oneshot::channel();
        let passage =
            Passage { from, to: Party::Node(to), kind, leg: Leg::Request, len: bytes.len() };
        let back = Passage { from: passage.to, to: from, leg: Leg::Answer, ..passage };
        let waiter = Arc::new(Mutex::new(Some(sender)));
        let reply = ReplyPath { network: self.clone(), passage: back, waiter };
        let (network, digest) = (self.clone(), trace::hash_bytes(&bytes));
        self.carry(passage, move || {
            passage.record("delivered");
            trace::record("message", [digest, 0, 0, 0]);
            let delivery = Delivery { from, kind, bytes: bytes.clone(), reply: reply.clone() };
            if let Err(delivery) = network.deliver(to, delivery) {
                delivery.reply.nobody_there();
            }
        });
        answer
    }
}

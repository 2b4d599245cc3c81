//! A network between simulated nodes: every message takes a while, some are lost.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aspen_core::{
    Lane, NodeId, PeerHandler, PeerRejection, PeerRequest, Transport, TransportError, runtime,
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::trace::Trace;

type Answer = Result<Bytes, PeerRejection>;

/// Messages that may wait for one node.
const INBOX_MAX: usize = 10_000;

struct Letter {
    from: NodeId,
    request: PeerRequest,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct State {
    inboxes: BTreeMap<NodeId, mpsc::Sender<Letter>>,
    isolated: BTreeSet<NodeId>,
    lost_percent: u64,
}

/// What connects the nodes.
#[derive(Clone, Default)]
pub(crate) struct Network {
    state: Arc<Mutex<State>>,
    trace: Trace,
}

impl Network {
    pub(crate) fn new(trace: Trace) -> Self {
        Self { trace, ..Self::default() }
    }

    pub(crate) fn transport(&self, from: NodeId) -> Arc<dyn Transport> {
        Arc::new(Link { from, network: self.clone() })
    }

    /// Answers the messages for a node in tasks of the simulated node that calls this.
    pub(crate) fn attach(&self, node: NodeId, handler: Arc<dyn PeerHandler>) {
        let (sender, mut inbox) = mpsc::channel::<Letter>(INBOX_MAX);
        self.state.lock().unwrap().inboxes.insert(node, sender);
        runtime::spawn(async move {
            while let Some(letter) = inbox.recv().await {
                let handler = handler.clone();
                runtime::spawn(async move {
                    let answer = handler.handle(letter.from, letter.request).await;
                    // Whoever asked may have stopped waiting.
                    let _ = letter.answer.send(answer);
                });
            }
        });
    }

    /// Loses every message from and to a node, or no longer.
    pub(crate) fn isolate(&self, node: NodeId, isolated: bool) {
        let mut state = self.state.lock().unwrap();
        match isolated {
            true => state.isolated.insert(node),
            false => state.isolated.remove(&node),
        };
    }

    pub(crate) fn set_lost_percent(&self, percent: u64) {
        self.state.lock().unwrap().lost_percent = percent;
    }

    fn is_lost(&self, from: NodeId, to: NodeId) -> bool {
        let state = self.state.lock().unwrap();
        let isolated = state.isolated.contains(&from) || state.isolated.contains(&to);
        isolated || (state.lost_percent > 0 && runtime::random_u64() % 100 < state.lost_percent)
    }

    /// One way of a message; `false` when it is lost.
    async fn travel(&self, from: NodeId, to: NodeId) -> bool {
        runtime::sleep(Duration::from_micros(runtime::random_u64() % 5_000)).await;
        !self.is_lost(from, to)
    }
}

struct Link {
    from: NodeId,
    network: Network,
}

impl Link {
    /// Sends a message and waits for its answer, for ever if either is lost.
    async fn exchange(&self, to: NodeId, request: PeerRequest) -> Option<Answer> {
        if !self.network.travel(self.from, to).await {
            std::future::pending::<()>().await;
        }
        let (answer, answered) = oneshot::channel();
        let inbox = self.network.state.lock().unwrap().inboxes.get(&to).cloned()?;
        self.network.trace.note(described(self.from, to, &request));
        inbox.try_send(Letter { from: self.from, request, answer }).ok()?;
        let answer = answered.await.ok()?;
        if !self.network.travel(to, self.from).await {
            std::future::pending::<()>().await;
        }
        Some(answer)
    }
}

fn described(from: NodeId, to: NodeId, request: &PeerRequest) -> String {
    let mut hasher = DefaultHasher::new();
    request.payload.hash(&mut hasher);
    let (len, digest) = (request.payload.len(), hasher.finish());
    format!("{from} to {to}: kind {}, {len} bytes, {digest:016x}", request.kind)
}

#[async_trait]
impl Transport for Link {
    async fn call(
        &self,
        target: NodeId,
        _lane: Lane,
        request: PeerRequest,
        timeout: Duration,
    ) -> Result<Bytes, TransportError> {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap();
        match runtime::timeout(timeout, self.exchange(target, request)).await {
            Err(_) => Err(TransportError::Timeout { node: target, timeout_ms }),
            Ok(None) => {
                let detail = "the node is down".to_owned();
                Err(TransportError::Unreachable { node: target, detail })
            }
            Ok(Some(Ok(answer))) => Ok(answer),
            Ok(Some(Err(rejection))) => Err(TransportError::Rejected { node: target, rejection }),
        }
    }
}

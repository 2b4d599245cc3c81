//! A network in memory that cuts, delays, drops, counts and meddles.
#![allow(dead_code, reason = "shared between the tests and the benchmark")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use aspen_core::{
    Lane, NodeId, PeerHandler, PeerRejection, PeerRequest, Transport, TransportError, runtime,
};
use async_trait::async_trait;
use bytes::Bytes;

/// One message on its way.
#[derive(Clone)]
pub(crate) struct Envelope {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) kind: u8,
    pub(crate) payload: Bytes,
}

/// What becomes of a message.
pub(crate) enum Verdict {
    /// It arrives as it was sent.
    Deliver,
    /// It arrives with this content.
    Replace(Bytes),
    /// It arrives with the first content, and the sender hears the second when it succeeds.
    Answer(Bytes, Bytes),
    /// The other side cannot be reached.
    Lose,
}

type Meddler = Arc<dyn Fn(&Envelope) -> Verdict + Send + Sync>;

#[derive(Default)]
struct State {
    hosts: BTreeMap<NodeId, Weak<dyn PeerHandler>>,
    cut: BTreeSet<(NodeId, NodeId)>,
    delay: Duration,
    delay_of: BTreeMap<u8, Duration>,
    drop_percent: u64,
    drop_percent_of: BTreeMap<u8, u64>,
    meddler: Option<Meddler>,
    /// Messages by kind and receiver: sent, and arrived.
    sent: BTreeMap<(u8, NodeId), u64>,
    delivered: BTreeMap<(u8, NodeId), u64>,
}

impl State {
    fn drops(&self, kind: u8) -> bool {
        let percent = self.drop_percent_of.get(&kind).unwrap_or(&self.drop_percent);
        *percent > 0 && runtime::random_u64() % 100 < *percent
    }
}

/// Which nodes exist and what is wrong between them.
#[derive(Default)]
pub(crate) struct TestNetwork {
    state: Mutex<State>,
}

impl TestNetwork {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn transport(self: &Arc<Self>, from: NodeId) -> Arc<dyn Transport> {
        Arc::new(TestTransport { from, network: self.clone() })
    }

    pub(crate) fn attach(&self, node: NodeId, host: Weak<dyn PeerHandler>) {
        self.state.lock().unwrap().hosts.insert(node, host);
    }

    pub(crate) fn detach(&self, node: NodeId) {
        self.state.lock().unwrap().hosts.remove(&node);
    }

    /// Cuts a node off from all others, in both directions.
    pub(crate) fn isolate(&self, node: NodeId) {
        self.partition(&BTreeSet::from([node]));
    }

    /// Cuts some nodes off from all others, in both directions.
    pub(crate) fn partition(&self, side: &BTreeSet<NodeId>) {
        let mut state = self.state.lock().unwrap();
        let others: Vec<NodeId> =
            state.hosts.keys().copied().filter(|id| !side.contains(id)).collect();
        for node in side {
            for other in &others {
                state.cut.insert((*node, *other));
                state.cut.insert((*other, *node));
            }
        }
    }

    /// Cuts the way from one node to another, and leaves the way back.
    pub(crate) fn cut_one_way(&self, from: NodeId, to: NodeId) {
        self.state.lock().unwrap().cut.insert((from, to));
    }

    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().cut.clear();
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    /// Delays messages of one kind by another time than the rest.
    pub(crate) fn set_delay_of(&self, kind: u8, delay: Duration) {
        self.state.lock().unwrap().delay_of.insert(kind, delay);
    }

    pub(crate) fn set_drop_percent(&self, percent: u64) {
        self.state.lock().unwrap().drop_percent = percent;
    }

    /// Drops messages of one kind at another rate than the rest.
    pub(crate) fn set_drop_percent_of(&self, kind: u8, percent: u64) {
        self.state.lock().unwrap().drop_percent_of.insert(kind, percent);
    }

    /// Asks `meddler` about each message from now on.
    pub(crate) fn meddle(&self, meddler: impl Fn(&Envelope) -> Verdict + Send + Sync + 'static) {
        self.state.lock().unwrap().meddler = Some(Arc::new(meddler));
    }

    pub(crate) fn stop_meddling(&self) {
        self.state.lock().unwrap().meddler = None;
    }

    /// Lets so many more messages of a kind through, and then none.
    pub(crate) fn set_quota(&self, kind: u8, messages: u64) {
        let left = Mutex::new(messages);
        self.meddle(move |envelope| {
            if envelope.kind != kind {
                return Verdict::Deliver;
            }
            let mut left = left.lock().unwrap();
            match left.checked_sub(1) {
                Some(rest) => {
                    *left = rest;
                    Verdict::Deliver
                }
                None => Verdict::Lose,
            }
        });
    }

    /// How many messages of a kind have arrived.
    pub(crate) fn delivered(&self, kind: u8) -> u64 {
        sum_of(&self.state.lock().unwrap().delivered, kind)
    }

    pub(crate) fn delivered_to(&self, kind: u8, node: NodeId) -> u64 {
        self.state.lock().unwrap().delivered.get(&(kind, node)).copied().unwrap_or(0)
    }

    /// How many messages of a kind were sent, whether they arrived or not.
    pub(crate) fn sent(&self, kind: u8) -> u64 {
        sum_of(&self.state.lock().unwrap().sent, kind)
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.state.lock().unwrap().cut.contains(&(from, to))
    }

    fn verdict(&self, envelope: &Envelope) -> Verdict {
        let meddler = self.state.lock().unwrap().meddler.clone();
        meddler.map_or(Verdict::Deliver, |meddler| meddler(envelope))
    }

    fn route(&self, envelope: &Envelope) -> Option<(Arc<dyn PeerHandler>, Duration)> {
        let mut state = self.state.lock().unwrap();
        let Envelope { from, to, kind, .. } = envelope;
        *state.sent.entry((*kind, *to)).or_default() += 1;
        if state.cut.contains(&(*from, *to)) || state.drops(*kind) {
            return None;
        }
        let host = state.hosts.get(to)?.upgrade()?;
        *state.delivered.entry((*kind, *to)).or_default() += 1;
        let delay = state.delay_of.get(kind).copied().unwrap_or(state.delay);
        Some((host, delay))
    }
}

fn sum_of(counts: &BTreeMap<(u8, NodeId), u64>, kind: u8) -> u64 {
    counts.iter().filter(|((of, _), _)| *of == kind).map(|(_, count)| count).sum()
}

struct TestTransport {
    from: NodeId,
    network: Arc<TestNetwork>,
}

impl TestTransport {
    async fn exchange(
        &self,
        target: NodeId,
        request: PeerRequest,
    ) -> Option<Result<Bytes, PeerRejection>> {
        let PeerRequest { group, kind, payload } = request;
        let envelope = Envelope { from: self.from, to: target, kind, payload };
        let (host, delay) = self.network.route(&envelope)?;
        let (payload, heard) = match self.network.verdict(&envelope) {
            Verdict::Deliver => (envelope.payload, None),
            Verdict::Replace(payload) => (payload, None),
            Verdict::Answer(payload, heard) => (payload, Some(heard)),
            Verdict::Lose => return None,
        };
        if !delay.is_zero() {
            runtime::sleep(delay).await;
        }
        let answer = host.handle(self.from, PeerRequest { group, kind, payload }).await;
        // The answer has to come back over the same, possibly cut, way.
        let answer = answer.map(|answer| heard.unwrap_or(answer));
        (!self.network.is_cut(target, self.from)).then_some(answer)
    }
}

#[async_trait]
impl Transport for TestTransport {
    async fn call(
        &self,
        target: NodeId,
        _lane: Lane,
        request: PeerRequest,
        timeout: Duration,
    ) -> Result<Bytes, TransportError> {
        assert!(request.payload.len() < aspen_core::MESSAGE_BYTES_MAX);
        let timeout_ms = timeout.as_millis() as u64;
        match runtime::timeout(timeout, self.exchange(target, request)).await {
            Err(_) => Err(TransportError::Timeout { node: target, timeout_ms }),
            Ok(None) => {
                let detail = "cut".to_owned();
                Err(TransportError::Unreachable { node: target, detail })
            }
            Ok(Some(Ok(answer))) => Ok(answer),
            Ok(Some(Err(rejection))) => Err(TransportError::Rejected { node: target, rejection }),
        }
    }
}

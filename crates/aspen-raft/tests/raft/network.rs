//! A network in memory that cuts, delays and drops.
#![allow(dead_code, reason = "shared between the tests and the benchmark")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use aspen_core::{
    Lane, NodeId, PeerHandler, PeerRejection, PeerRequest, Transport, TransportError, runtime,
};
use async_trait::async_trait;
use bytes::Bytes;

#[derive(Default)]
struct State {
    hosts: BTreeMap<NodeId, Weak<dyn PeerHandler>>,
    cut: BTreeSet<(NodeId, NodeId)>,
    delay: Duration,
    drop_percent: u64,
    /// Messages of each kind that were delivered.
    delivered: BTreeMap<u8, u64>,
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
        let mut state = self.state.lock().unwrap();
        let others: Vec<NodeId> = state.hosts.keys().copied().filter(|id| *id != node).collect();
        for other in others {
            state.cut.insert((node, other));
            state.cut.insert((other, node));
        }
    }

    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().cut.clear();
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    pub(crate) fn set_drop_percent(&self, percent: u64) {
        self.state.lock().unwrap().drop_percent = percent;
    }

    pub(crate) fn delivered(&self, kind: u8) -> u64 {
        self.state.lock().unwrap().delivered.get(&kind).copied().unwrap_or(0)
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.state.lock().unwrap().cut.contains(&(from, to))
    }

    fn route(
        &self,
        from: NodeId,
        to: NodeId,
        kind: u8,
    ) -> Option<(Arc<dyn PeerHandler>, Duration)> {
        let mut state = self.state.lock().unwrap();
        let dropped = state.drop_percent > 0 && runtime::random_u64() % 100 < state.drop_percent;
        if state.cut.contains(&(from, to)) || dropped {
            return None;
        }
        let host = state.hosts.get(&to)?.upgrade()?;
        *state.delivered.entry(kind).or_default() += 1;
        Some((host, state.delay))
    }
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
        let (host, delay) = self.network.route(self.from, target, request.kind)?;
        if !delay.is_zero() {
            runtime::sleep(delay).await;
        }
        let answer = host.handle(self.from, request).await;
        // The answer has to come back over the same, possibly cut, way.
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

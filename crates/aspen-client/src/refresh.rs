//! Keeping the picture of the cluster fresh, in the background.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{ClientRequest, ClientResponse, ControlRequest, ControlResponse, GroupId};
use parking_lot::Mutex;

use crate::routes::Affinity;
use crate::shared::Shared;

/// How many nodes one refresh asks before it gives up; the next failure starts another.
const REFRESH_PEERS_MAX: usize = 5;

/// The shortest time between two refreshes: many requests that fail together cause one.
const REFRESH_INTERVAL_MIN: Duration = Duration::from_millis(200);

/// Lets one refresh run at a time, and not too often.
#[derive(Debug, Default)]
pub(crate) struct RefreshGate {
    state: Mutex<GateState>,
}

#[derive(Debug, Default)]
struct GateState {
    running: bool,
    last_start: Option<Instant>,
}

impl RefreshGate {
    /// Whether the caller shall refresh now: nobody does, and the last one began `age` ago or more.
    fn try_start(&self, age: Duration) -> bool {
        let now = runtime::now();
        let mut state = self.state.lock();
        let due = state.last_start.is_none_or(|last| now.duration_since(last) >= age);
        if state.running || !due {
            return false;
        }
        *state = GateState { running: true, last_start: Some(now) };
        true
    }

    fn finish(&self) {
        self.state.lock().running = false;
    }
}

impl Shared {
    /// Refreshes soon after a failure.
    pub(crate) fn refresh_soon(self: &Arc<Self>) {
        self.refresh_when(REFRESH_INTERVAL_MIN);
    }

    /// Refreshes a picture that has grown old in use.
    pub(crate) fn refresh_if_old(self: &Arc<Self>) {
        self.refresh_when(Duration::from_millis(self.options.refresh_ms));
    }

    fn refresh_when(self: &Arc<Self>, age: Duration) {
        if self.is_closed() || !self.refresh.try_start(age) {
            return;
        }
        let shared = self.clone();
        runtime::spawn(async move {
            shared.refresh_once().await;
            shared.refresh.finish();
        });
    }

    /// Asks peers in turn for the cluster's status until one answers.
    async fn refresh_once(&self) {
        let mut tried = BTreeSet::new();
        while tried.len() < REFRESH_PEERS_MAX && !self.is_closed() {
            let Some(peer) = self.routes.pick(GroupId::META, Affinity::Any, &tried) else { return };
            tried.insert(peer.endpoint);
            let request = ClientRequest::Control(ControlRequest::Status);
            let timeout = self.options.attempt_timeout();
            match self.channel.call(&peer, request, timeout).await {
                Ok(ClientResponse::Control(Ok(ControlResponse::Status(status)))) => {
                    return self.routes.learn(&status);
                }
                Ok(other) => tracing::debug!(?other, "a node gave no status"),
                Err(error) => {
                    tracing::debug!(%error, peer = %peer.endpoint, "a node did not answer");
                    self.routes.call_failed(peer.endpoint, &error);
                }
            }
        }
    }
}

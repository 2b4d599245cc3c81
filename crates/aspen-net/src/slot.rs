//! A connection that comes back: one per peer and protocol.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use iroh::endpoint::Connection;
use parking_lot::Mutex;

use crate::close::{CloseCode, close};
use crate::dial::{DialError, Dialer};
use crate::protocol::Protocol;
use crate::{NetTimings, PeerAddress};

type Dialled = Result<Connection, DialError>;
type Dialling = Shared<BoxFuture<'static, Dialled>>;

/// Holds the connection while it lives and opens it again when it is wanted.
///
/// Callers that come while it is being opened share that one attempt; after a failed attempt they
/// fail at once until a pause has passed, so that a dead peer costs one attempt per pause and not
/// one per call.
pub(crate) struct Slot {
    dialer: Arc<Dialer>,
    protocol: Protocol,
    state: Mutex<State>,
}

struct State {
    peer: PeerAddress,
    phase: Phase,
    /// Attempts that failed since the last success.
    failures: u32,
    was_up: bool,
}

enum Phase {
    Idle,
    Dialling(Dialling),
    Up(Connection),
    Pausing { until: Instant, error: DialError },
    Closed,
}

impl Slot {
    /// A slot that connects when first asked.
    pub(crate) fn new(dialer: Arc<Dialer>, peer: PeerAddress, protocol: Protocol) -> Arc<Self> {
        let state = State { peer, phase: Phase::Idle, failures: 0, was_up: false };
        Arc::new(Self { dialer, protocol, state: Mutex::new(state) })
    }

    /// The live connection; opens one when there is none.
    pub(crate) async fn connection(self: &Arc<Self>) -> Dialled {
        let dialling = match self.step() {
            Step::Done(result) => return result,
            Step::Await(dialling) => dialling,
        };
        dialling.await
    }

    /// Begins to connect when nothing is open and no pause runs; waits for nothing.
    pub(crate) fn ensure(self: &Arc<Self>) {
        // The attempt is a task of its own: it goes on without anybody waiting for it.
        drop(self.step());
    }

    /// Where to find the peer from now on; a change ends the pause.
    pub(crate) fn set_peer(&self, peer: &PeerAddress) {
        let mut state = self.state.lock();
        if state.peer != *peer {
            state.peer = peer.clone();
            state.end_pause();
        }
    }

    /// The peer is known to live, since it called us: the pause ends.
    pub(crate) fn wake(&self) {
        self.state.lock().end_pause();
    }

    /// Whether nothing is open or being opened.
    pub(crate) fn is_down(&self) -> bool {
        match &self.state.lock().phase {
            Phase::Up(connection) => connection.close_reason().is_some(),
            Phase::Dialling(_) => false,
            Phase::Idle | Phase::Pausing { .. } | Phase::Closed => true,
        }
    }

    /// Ends the connection for good.
    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        let phase = std::mem::replace(&mut self.state.lock().phase, Phase::Closed);
        if let Phase::Up(connection) = phase {
            close(&connection, code, reason);
        }
    }

    fn step(self: &Arc<Self>) -> Step {
        let mut state = self.state.lock();
        match &state.phase {
            Phase::Up(connection) if connection.close_reason().is_none() => {
                return Step::Done(Ok(connection.clone()));
            }
            Phase::Pausing { until, error } if runtime::now() < *until => {
                return Step::Done(Err(error.clone()));
            }
            Phase::Dialling(dialling) => return Step::Await(dialling.clone()),
            Phase::Closed => {
                let error = DialError::Unreachable("the endpoint or peer is closed".to_owned());
                return Step::Done(Err(error));
            }
            Phase::Up(_) | Phase::Pausing { .. } | Phase::Idle => {}
        }
        let dialling = self.dial(state.peer.clone());
        state.phase = Phase::Dialling(dialling.clone());
        Step::Await(dialling)
    }

    fn dial(self: &Arc<Self>, peer: PeerAddress) -> Dialling {
        let slot = Arc::clone(self);
        let task = runtime::spawn(async move {
            let dialled = slot.dialer.dial(&peer, slot.protocol).await;
            slot.settle(dialled)
        });
        let result = async move {
            let stopped = |_| DialError::Unreachable("the process is stopping".to_owned());
            task.await.map_err(stopped).and_then(|dialled| dialled)
        };
        result.boxed().shared()
    }

    fn settle(&self, dialled: Dialled) -> Dialled {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Closed) {
            if let Ok(connection) = &dialled {
                close(connection, CloseCode::Done, "no longer wanted");
            }
            return dialled;
        }
        match &dialled {
            Ok(connection) => {
                if state.was_up {
                    self.dialer.connections.count_reconnect();
                }
                state.was_up = true;
                state.failures = 0;
                state.phase = Phase::Up(connection.clone());
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                let until = runtime::now() + backoff(&self.dialer.timings, state.failures);
                state.phase = Phase::Pausing { until, error: error.clone() };
            }
        }
        dialled
    }
}

impl State {
    fn end_pause(&mut self) {
        if matches!(self.phase, Phase::Pausing { .. }) {
            self.phase = Phase::Idle;
            self.failures = 0;
        }
    }
}

enum Step {
    Done(Dialled),
    Await(Dialling),
}

/// The pause after the `failures`th failure in a row: doubling, bounded, and between half and all
/// of itself at random, so that those who lost the same peer do not return in step.
fn backoff(timings: &NetTimings, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let full = timings.backoff_ms_min.saturating_mul(1 << doublings).min(timings.backoff_ms_max);
    let half_us = full.saturating_mul(500);
    Duration::from_micros(half_us + runtime::random_u64() % half_us.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_within_their_bounds() {
        let timings = NetTimings { backoff_ms_min: 10, backoff_ms_max: 80, ..Default::default() };
        for (failures, full_ms) in [(1, 10), (2, 20), (3, 40), (4, 80), (5, 80), (u32::MAX, 80)] {
            let pause = backoff(&timings, failures);
            let full = Duration::from_millis(full_ms);
            assert!(pause >= full / 2 && pause <= full, "{failures}: {pause:?}");
        }
    }
}

//! The sequence of nodes that one request is tried at.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, Backoff, Instant};
use aspen_core::{EndpointKey, GroupId, NotLeader};
use aspen_net::{CallError, PeerAddress};

use crate::backoff::backoff;
use crate::deadline::Deadline;
use crate::routes::Affinity;
use crate::shared::Shared;

/// How many nodes are asked before the next pause; it keeps an outage of a large cluster from
/// becoming a flood of attempts.
const ROUND_PEERS_MAX: usize = 8;

/// The slowest link on which large requests shall still work: 1 MiB/s. Without this allowance, a
/// page that takes longer than an attempt would be asked for again and again until the deadline.
const SLOW_LINK_BYTES_PER_MS: usize = 1024;

/// How long a request is tried again while nodes answer that they are unavailable: longer than a
/// failover with default timeouts, which a caller should not notice. The followers wait for the
/// dead leader's lease (3 s) and then for their election timeout (1.5 to 3 s). A cluster that has
/// no quorum for longer than that is better reported than waited for.
pub(crate) const UNAVAILABLE_PATIENCE: Duration = Duration::from_secs(8);

/// The same while nodes answer that their disk is full. Only a change of leader could help, to a
/// node with more room, and it would be there already; space is not freed within a request.
pub(crate) const DISK_FULL_PATIENCE: Duration = Duration::from_secs(1);

const _: () = assert!(DISK_FULL_PATIENCE.as_millis() < UNAVAILABLE_PATIENCE.as_millis());

/// Where to go next, and when to pause: every known peer is asked at most once a round, leaders
/// first; between rounds lies a growing pause and a refresh of what is known of the cluster.
pub(crate) struct Attempts<'a> {
    shared: &'a Arc<Shared>,
    group: GroupId,
    affinity: Affinity,
    deadline: Deadline,
    tried: BTreeSet<EndpointKey>,
    backoff: Backoff,
    pause_first: bool,
    last_failure: Option<String>,
    unavailable: Option<Unavailable>,
}

/// What nodes said that could not serve the request at all.
struct Unavailable {
    /// When the first of them said so.
    since: Instant,
    /// What the last of them said.
    reason: String,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(
        shared: &'a Arc<Shared>,
        group: GroupId,
        affinity: Affinity,
        deadline: Deadline,
    ) -> Self {
        shared.refresh_if_old();
        Self {
            shared,
            group,
            affinity,
            deadline,
            tried: BTreeSet::new(),
            backoff: backoff(&shared.options),
            pause_first: false,
            last_failure: None,
            unavailable: None,
        }
    }

    /// The next peer to ask; `None` once the deadline has passed or the client was closed.
    pub(crate) async fn next(&mut self) -> Option<Arc<PeerAddress>> {
        loop {
            if self.deadline.has_passed() || self.shared.is_closed() {
                return None;
            }
            if !self.pause_first
                && self.tried.len() < ROUND_PEERS_MAX
                && let Some(peer) = self.shared.routes.pick(self.group, self.affinity, &self.tried)
            {
                self.tried.insert(peer.endpoint);
                return Some(peer);
            }
            self.pause().await;
        }
    }

    async fn pause(&mut self) {
        self.pause_first = false;
        self.tried.clear();
        self.shared.refresh_soon();
        runtime::sleep(self.backoff.pause().min(self.deadline.remaining())).await;
    }

    /// How long the next attempt may take when it carries so many bytes there or back.
    pub(crate) fn timeout(&self, bytes: usize) -> Duration {
        let transfer = Duration::from_millis((bytes / SLOW_LINK_BYTES_PER_MS) as u64);
        (self.shared.options.attempt_timeout() + transfer).min(self.deadline.remaining())
    }

    /// How long is left at all.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.remaining()
    }

    /// The peer answered as a leader does.
    pub(crate) fn answered(&self, peer: &PeerAddress) {
        self.shared.routes.answered(self.group, peer.endpoint);
    }

    /// The call itself failed: others are asked first from now on.
    pub(crate) fn call_failed(&mut self, peer: &PeerAddress, error: &CallError) {
        self.shared.routes.call_failed(peer.endpoint, error);
        self.shared.refresh_soon();
        self.last_failure = Some(error.to_string());
    }

    /// The peer does not lead; the next attempt follows its hint.
    pub(crate) fn not_leader(&mut self, peer: &PeerAddress, error: &NotLeader) {
        self.shared.routes.not_leader(peer.endpoint, error);
        if error.leader.is_none() {
            self.shared.refresh_soon();
        }
        self.last_failure = Some(error.to_string());
    }

    /// The peer cannot serve this now; another may.
    pub(crate) fn try_another(&mut self, error: &impl ToString) {
        self.last_failure = Some(error.to_string());
    }

    /// The peer says that the group is unavailable. Answers whether that may pass soon: it does
    /// when nodes restart or elect a leader, and then another attempt is better than an error.
    pub(crate) fn unavailable(&mut self, error: &impl ToString, patience: Duration) -> bool {
        let (now, reason) = (runtime::now(), error.to_string());
        let since = self.unavailable.as_ref().map_or(now, |earlier| earlier.since);
        self.unavailable = Some(Unavailable { since, reason });
        self.try_another(error);
        now.duration_since(since) < patience
    }

    /// Whether the request has failed because nodes said that they are unavailable. That outlives
    /// failures after it, which say less: at the deadline, attempts are cut off in their midst.
    pub(crate) fn was_unavailable(&self) -> bool {
        self.unavailable.is_some() && !self.shared.is_closed()
    }

    /// The group cannot serve this now: asking elsewhere would not help, waiting may.
    pub(crate) fn pause_before_next(&mut self, error: &impl ToString) {
        self.pause_first = true;
        self.last_failure = Some(error.to_string());
    }

    /// Switches to the leader for what any node was asked before.
    pub(crate) fn prefer_leader(&mut self) {
        self.affinity = Affinity::Leader;
    }

    /// Whether every peer of this round has been asked.
    pub(crate) fn round_is_over(&self) -> bool {
        self.tried.len() >= ROUND_PEERS_MAX
            || self.shared.routes.pick(self.group, self.affinity, &self.tried).is_none()
    }

    /// Why [`Attempts::next`] gave up.
    pub(crate) fn describe_end(&self) -> String {
        if self.shared.is_closed() {
            return "the client is closed".to_owned();
        }
        let unavailable = self.unavailable.as_ref().map(|it| it.reason.as_str());
        self.deadline.describe(unavailable.or(self.last_failure.as_deref()))
    }
}

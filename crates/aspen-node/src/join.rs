//! Becoming a node of a running cluster.

use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{ClusterId, JoinReply, JoinRequest, NodeRecord};
use aspen_net::{JoinError, PeerAddress};

use crate::compose::{Entry, Links};

/// How long one node may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How many redirects to follow: each names a leader, and leaders change rarely.
const REDIRECTS_MAX: usize = 4;

/// The pauses between rounds over all peers.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A join that failed; trying again with the same settings would fail again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinFailure {
    /// The ticket's text is no ticket.
    #[error("ticket to join with: {0}")]
    Ticket(String),
    /// The file that should hold the ticket does not.
    #[error("{0} holds no ticket of a cluster to join: {1}")]
    TicketFile(String, String),
    /// The cluster refused for good.
    #[error("the cluster refused this node: {0}")]
    Refused(String),
    /// Nobody let the node in, in time.
    #[error(
        "no node of the cluster let this node in within {waited_ms} ms; the last answer: {last}"
    )]
    Timeout {
        /// For how long it was tried, in milliseconds.
        waited_ms: u64,
        /// What the last node asked said.
        last: String,
    },
}

/// What a round over the peers gave.
pub(crate) enum Asked {
    /// The node is registered.
    Welcome {
        /// The cluster.
        cluster: ClusterId,
        /// Every registered node.
        nodes: Vec<NodeRecord>,
    },
    /// It never will be.
    Refused(String),
    /// It may be later.
    NotNow(String),
}

/// Asks the cluster that `peers` belong to for admission, until it has decided or `timeout` has
/// passed. Joining is idempotent; keep the answer durably before anything else.
///
/// # Errors
/// See [`JoinFailure`].
pub async fn ask_to_join(
    links: &dyn Links,
    peers: &[PeerAddress],
    cluster: ClusterId,
    timeout: Duration,
) -> Result<Entry, JoinFailure> {
    let request = JoinRequest { node: links.record(), cluster: Some(cluster) };
    let mut patience = Patience::of(timeout);
    loop {
        let last = match ask_any(links, peers, &request).await {
            Asked::Welcome { cluster, nodes } => return Ok(Entry { cluster, nodes }),
            Asked::Refused(refusal) => return Err(JoinFailure::Refused(refusal)),
            Asked::NotNow(cause) => cause,
        };
        tracing::info!(cause = last, "not let in yet");
        if !patience.pause().await {
            return Err(JoinFailure::Timeout { waited_ms: millis(timeout), last });
        }
    }
}

/// Asks the peers in turn until one decides.
pub(crate) async fn ask_any(
    links: &dyn Links,
    peers: &[PeerAddress],
    request: &JoinRequest,
) -> Asked {
    let mut last = "there is no node to ask".to_owned();
    for peer in peers {
        match ask(links, peer, request).await {
            Asked::NotNow(cause) => last = cause,
            decided => return decided,
        }
    }
    Asked::NotNow(last)
}

/// Asks one peer, and whom it names instead.
async fn ask(links: &dyn Links, peer: &PeerAddress, request: &JoinRequest) -> Asked {
    let mut peer = peer.clone();
    for _ in 0..=REDIRECTS_MAX {
        match links.join(&peer, request.clone(), ANSWER_TIMEOUT).await {
            Ok(JoinReply::Welcome { cluster, nodes }) => return Asked::Welcome { cluster, nodes },
            Ok(JoinReply::Redirect(record)) => peer = PeerAddress::from(&record),
            Ok(JoinReply::Refused(refusal)) => return Asked::Refused(refusal),
            Ok(JoinReply::Retry(cause)) => return Asked::NotNow(cause),
            Err(error @ JoinError::CookieMismatch) => return Asked::Refused(error.to_string()),
            Err(error) => return Asked::NotNow(error.to_string()),
        }
    }
    Asked::NotNow("the nodes send this node from one to the other".to_owned())
}

/// How long something is tried, with pauses that grow.
pub(crate) struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    /// For `timeout` from now on.
    pub(crate) fn of(timeout: Duration) -> Self {
        Self { deadline: runtime::now() + timeout, pause: PAUSE_MIN }
    }

    /// Waits a little longer each time; answers whether there is time for another try.
    pub(crate) async fn pause(&mut self) -> bool {
        let next = runtime::now() + self.pause;
        if next >= self.deadline {
            return false;
        }
        runtime::sleep_until(next).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        true
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

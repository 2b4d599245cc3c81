//! Becoming a node of a running cluster.

use std::path::Path;
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{ClusterId, JoinReply, JoinRequest, NodeRecord};
use aspen_net::{JoinError, NodeNet, PeerAddress, Ticket};

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

/// Asks until the cluster has decided or `timeout` has passed.
pub(crate) async fn join(
    net: &NodeNet,
    peers: &[PeerAddress],
    request: &JoinRequest,
    timeout: Duration,
) -> Result<(ClusterId, Vec<NodeRecord>), JoinFailure> {
    let deadline = runtime::now() + timeout;
    let mut pause = PAUSE_MIN;
    loop {
        let last = match ask_any(net, peers, request).await {
            Asked::Welcome { cluster, nodes } => return Ok((cluster, nodes)),
            Asked::Refused(refusal) => return Err(JoinFailure::Refused(refusal)),
            Asked::NotNow(cause) => cause,
        };
        tracing::info!(cause = last, "not let in yet");
        if !pause_before(deadline, &mut pause).await {
            return Err(JoinFailure::Timeout { waited_ms: millis(timeout), last });
        }
    }
}

/// Asks the peers in turn until one decides.
pub(crate) async fn ask_any(net: &NodeNet, peers: &[PeerAddress], request: &JoinRequest) -> Asked {
    let mut last = "there is no node to ask".to_owned();
    for peer in peers {
        match ask(net, peer, request).await {
            Asked::NotNow(cause) => last = cause,
            decided => return decided,
        }
    }
    Asked::NotNow(last)
}

/// Asks one peer, and whom it names instead.
async fn ask(net: &NodeNet, peer: &PeerAddress, request: &JoinRequest) -> Asked {
    let mut peer = peer.clone();
    for _ in 0..=REDIRECTS_MAX {
        match net.join(&peer, request.clone(), ANSWER_TIMEOUT).await {
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

/// Reads a ticket from a file that another process may still have to write.
pub(crate) async fn await_ticket(path: &Path, timeout: Duration) -> Result<Ticket, JoinFailure> {
    let deadline = runtime::now() + timeout;
    let mut pause = PAUSE_MIN;
    loop {
        let last = match read_ticket(path).await {
            Ok(ticket) => return Ok(ticket),
            Err(cause) => cause,
        };
        if !pause_before(deadline, &mut pause).await {
            return Err(JoinFailure::TicketFile(path.display().to_string(), last));
        }
    }
}

/// Reads a ticket from a file.
pub(crate) async fn read_ticket(path: &Path) -> Result<Ticket, String> {
    let path = path.to_owned();
    let text = runtime::spawn_blocking(move || std::fs::read_to_string(path)).await;
    let text = text.and_then(|text| text).map_err(|error| error.to_string())?;
    text.trim().parse().map_err(|error| format!("{error}"))
}

/// Waits a little longer each time; answers whether there is time for another try.
async fn pause_before(deadline: Instant, pause: &mut Duration) -> bool {
    let next = runtime::now() + *pause;
    if next >= deadline {
        return false;
    }
    runtime::sleep_until(next).await;
    *pause = (*pause * 2).min(PAUSE_MAX);
    true
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn a_ticket_file_may_come_late_but_not_never() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ticket");
        let error = await_ticket(&path, Duration::ZERO).await.unwrap_err().to_string();
        assert!(error.contains("ticket"), "{error}");
        let ticket = Ticket { cluster: ClusterId::new([1; 16]), peers: vec![], grant: None };
        let text = ticket.to_string();
        let late = runtime::spawn(async move {
            std::fs::write(&path, text).unwrap();
            path
        });
        let path = late.await.unwrap();
        assert_eq!(await_ticket(&path, Duration::from_secs(60)).await.unwrap(), ticket);
    }
}

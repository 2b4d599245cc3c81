//! Gathers proposals into log entries.
//!
//! Proposals that wait together share one entry, so that consensus and the sync of the log are paid
//! once for all of them. A few entries may be under way at once; while they are, the next gathers.
//! What is under way is counted in proposals and bounded: one too many is refused at once, which is
//! cheaper for everyone than a queue that outlives its callers.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{Proposal, ProposalBatch, Reply, WriteError, WriteFailure, runtime};
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};

use crate::batcher::{Batcher, Waiting, proposal_len_bytes};
use crate::in_flight::{InFlight, Ticket};
use crate::replica::Replica;

pub(crate) type WriteResults = Vec<Result<Reply, WriteError>>;

/// The entrance for writes of one group.
pub(crate) struct Proposer {
    replica: Arc<Replica>,
    queue: mpsc::Sender<Waiting>,
    in_flight: Arc<InFlight>,
}

impl Proposer {
    /// Starts the group's batching task; it ends when the proposer is dropped.
    pub(crate) fn start(replica: Arc<Replica>) -> Self {
        let in_flight = InFlight::new(replica.options.operations_in_flight_max);
        // Every waiting call holds at least one proposal, so the count bounds the queue.
        let (queue, receiver) = mpsc::channel(replica.options.operations_in_flight_max);
        runtime::spawn(Batcher::new(replica.clone(), receiver).run());
        Self { replica, queue, in_flight }
    }

    /// Proposes, and waits for the replies; the same order, one result per proposal.
    ///
    /// A call that is too large for one entry is cut into several. They are submitted in order, but
    /// each stands or falls by itself. A call that passes the bound is refused as a whole.
    pub(crate) async fn propose(&self, proposals: Vec<Proposal>) -> WriteResults {
        let total = proposals.len();
        if total == 0 {
            return Vec::new();
        }
        let mut ticket = match self.admit(total) {
            Ok(ticket) => ticket,
            Err(error) => return vec![Err(error); total],
        };
        let options = &self.replica.options;
        let mut parts = in_parts(proposals, options.batch_proposals_max, options.batch_bytes_max);
        if parts.len() == 1
            && let Some(part) = parts.pop()
        {
            return self.submit(part, ticket).await;
        }
        let parts = parts.into_iter().map(|part| {
            let share = ticket.take(part.len());
            self.submit(part, share)
        });
        join_all(parts).await.into_iter().flatten().collect()
    }

    /// Waits until every proposal under way has its answer.
    pub(crate) async fn idle(&self) {
        self.in_flight.idle().await;
    }

    fn admit(&self, count: usize) -> Result<Ticket, WriteError> {
        if self.replica.is_stopping() {
            return Err(not_applied(WriteFailure::Unavailable("the node is stopping".into())));
        }
        if !self.replica.is_leader() {
            return Err(WriteError::not_applied(self.replica.not_leader()));
        }
        self.in_flight.enter(count).ok_or_else(|| self.overloaded())
    }

    /// Queues at once, whether or not the returned future is ever polled.
    fn submit(
        &self,
        proposals: Vec<Proposal>,
        ticket: Ticket,
    ) -> impl Future<Output = WriteResults> + Send + '_ {
        let count = proposals.len();
        let (answer, receiver) = oneshot::channel();
        let queued = self.queue.try_send(Waiting::new(proposals, answer, ticket));
        async move {
            match queued {
                Ok(()) => self.outcome(receiver, count).await,
                Err(_) => vec![Err(stopped()); count],
            }
        }
    }

    async fn outcome(&self, answer: oneshot::Receiver<WriteResults>, count: usize) -> WriteResults {
        let timeout = self.replica.options.proposal_timeout();
        let impatient = runtime::buggify("raft-proposal-times-out");
        let timeout = if impatient { Duration::from_millis(1) } else { timeout };
        let error = match runtime::timeout(timeout, answer).await {
            Ok(Ok(results)) => return results,
            Ok(Err(_)) => WriteFailure::Unavailable("the group has stopped".into()),
            Err(_) => {
                let limit = self.replica.options.proposal_timeout_ms;
                WriteFailure::Timeout(format!("no answer within {limit} ms (proposal_timeout_ms)"))
            }
        };
        vec![Err(WriteError::maybe_applied(error)); count]
    }

    fn overloaded(&self) -> WriteError {
        let max = self.in_flight.max();
        let detail = format!("{max} proposals are in flight (operations_in_flight_max)");
        not_applied(WriteFailure::Overloaded(detail))
    }
}

/// Cuts proposals into runs that each fit a batch; one that is too large is a run of its own.
fn in_parts(proposals: Vec<Proposal>, count_max: usize, bytes_max: usize) -> Vec<Vec<Proposal>> {
    let mut parts: Vec<Vec<Proposal>> = Vec::new();
    let mut len_bytes = 0;
    for proposal in proposals {
        let added = proposal_len_bytes(&proposal);
        match parts.last_mut() {
            Some(part) if part.len() < count_max && len_bytes + added <= bytes_max => {
                len_bytes += added;
                part.push(proposal);
            }
            _ => {
                len_bytes = added;
                parts.push(vec![proposal]);
            }
        }
    }
    parts
}

/// The batch as one entry's payload.
pub(crate) fn encode_batch(
    proposals: Vec<Proposal>,
) -> Result<crate::types::EncodedBatch, WriteError> {
    let batch = ProposalBatch { time_ms: runtime::unix_time_ms(), proposals };
    let bytes = aspen_core::codec::encode(&batch);
    bytes.map(crate::types::EncodedBatch).map_err(|error| {
        not_applied(WriteFailure::Bug(format!("a batch does not encode: {error}")))
    })
}

pub(crate) fn not_applied(failure: WriteFailure) -> WriteError {
    WriteError::not_applied(failure)
}

fn stopped() -> WriteError {
    not_applied(WriteFailure::Unavailable("the group has stopped".into()))
}

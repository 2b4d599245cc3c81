//! The task that turns waiting proposals into entries and entries' replies into answers.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{Command, NotLeader, Proposal, WriteError, WriteFailure, runtime};
use futures_util::stream::{FuturesUnordered, StreamExt};
use openraft::errors::{ClientWriteError, ForwardReason, ForwardToLeader, RaftError};
use tokio::sync::{mpsc, oneshot};

use crate::in_flight::Ticket;
use crate::proposer::{WriteResults, encode_batch, not_applied};
use crate::replica::Replica;
use crate::types::{EncodedBatch, Replies, TypeConfig};

/// How long a fresh leader may take to be confirmed by a quorum before its proposals are refused.
const LEASE_WAIT: Duration = Duration::from_secs(1);

/// How often a fresh leader is asked again.
const LEASE_RETRY: Duration = Duration::from_millis(10);

/// What a proposal adds to its batch beside its keys and values.
const PROPOSAL_OVERHEAD_BYTES: usize = 64;

/// What a lease that is to end adds to its batch.
const EXPIRING_LEASE_BYTES: usize = 18;

/// The proposals of one call.
pub(crate) struct Waiting {
    proposals: Vec<Proposal>,
    len_bytes: usize,
    answer: oneshot::Sender<WriteResults>,
    ticket: Ticket,
}

impl Waiting {
    pub(crate) fn new(
        proposals: Vec<Proposal>,
        answer: oneshot::Sender<WriteResults>,
        ticket: Ticket,
    ) -> Self {
        let len_bytes = proposals.iter().map(proposal_len_bytes).sum();
        Self { proposals, len_bytes, answer, ticket }
    }
}

/// The bytes that a proposal adds to its batch.
pub(crate) fn proposal_len_bytes(proposal: &Proposal) -> usize {
    PROPOSAL_OVERHEAD_BYTES
        + match &proposal.command {
            Command::Transaction(transaction) => transaction.len_bytes(),
            Command::ExpireLeases { leases } => leases.len() * EXPIRING_LEASE_BYTES,
            Command::OpenSession { .. }
            | Command::Compact { .. }
            | Command::GrantLease { .. }
            | Command::RevokeLease { .. }
            | Command::PinRevision { .. } => 0,
        }
}

/// Who waits for a batch: how many replies each gets.
struct Waiter {
    count: usize,
    answer: oneshot::Sender<WriteResults>,
    _ticket: Ticket,
}

/// Gathers, submits, answers. It runs until every [`mpsc::Sender`] is gone.
pub(crate) struct Batcher {
    replica: Arc<Replica>,
    queue: mpsc::Receiver<Waiting>,
    /// Taken from the queue, but too large for the batch before it.
    held: Option<Waiting>,
}

impl Batcher {
    pub(crate) fn new(replica: Arc<Replica>, queue: mpsc::Receiver<Waiting>) -> Self {
        Self { replica, queue, held: None }
    }

    pub(crate) async fn run(mut self) {
        let mut under_way = FuturesUnordered::new();
        let under_way_max = self.replica.options.batches_in_flight_max;
        loop {
            tokio::select! {
                biased;
                Some(()) = under_way.next() => {}
                first = self.first(), if under_way.len() < under_way_max => match first {
                    Some(first) => {
                        let batch = self.gather(first);
                        under_way.push(carry_out(self.replica.clone(), batch));
                    }
                    None => break,
                },
            }
        }
        while under_way.next().await.is_some() {}
    }

    async fn first(&mut self) -> Option<Waiting> {
        match self.held.take() {
            Some(held) => Some(held),
            None => self.queue.recv().await,
        }
    }

    /// Takes what waits now, up to the bounds of a batch.
    fn gather(&mut self, first: Waiting) -> Vec<Waiting> {
        let options = &self.replica.options;
        let (mut count, mut len_bytes) = (first.proposals.len(), first.len_bytes);
        let mut batch = vec![first];
        while !runtime::buggify("raft-batch-alone")
            && let Ok(next) = self.queue.try_recv()
        {
            count += next.proposals.len();
            len_bytes += next.len_bytes;
            if count > options.batch_proposals_max || len_bytes > options.batch_bytes_max {
                self.held = Some(next);
                break;
            }
            batch.push(next);
        }
        batch
    }
}

/// Brings one batch through consensus and answers everyone who waits for it.
async fn carry_out(replica: Arc<Replica>, batch: Vec<Waiting>) {
    let mut proposals = Vec::new();
    let mut waiters = Vec::with_capacity(batch.len());
    for waiting in batch {
        let count = waiting.proposals.len();
        proposals.extend(waiting.proposals);
        waiters.push(Waiter { count, answer: waiting.answer, _ticket: waiting.ticket });
    }
    let expected = proposals.len();
    let replies = match encode_batch(proposals) {
        Ok(batch) => replicate(&replica, batch).await.and_then(|replies| check(replies, expected)),
        Err(error) => Err(error),
    };
    match replies {
        Ok(Replies(replies)) => {
            let mut replies = replies.into_iter();
            for waiter in waiters {
                let share = replies.by_ref().take(waiter.count).map(Ok).collect();
                // The caller may have gone; its write happened all the same.
                let _ = waiter.answer.send(share);
            }
        }
        Err(error) => {
            for waiter in waiters {
                let _ = waiter.answer.send(vec![Err(error.clone()); waiter.count]);
            }
        }
    }
}

fn check(replies: Replies, expected: usize) -> Result<Replies, WriteError> {
    match replies.0.len() {
        actual if actual == expected => Ok(replies),
        actual => {
            let detail = format!("{actual} replies to {expected} proposals");
            Err(WriteError::maybe_applied(WriteFailure::Bug(detail)))
        }
    }
}

/// Replicates a batch. A leader that no quorum has confirmed yet is given a moment.
async fn replicate(replica: &Replica, batch: EncodedBatch) -> Result<Replies, WriteError> {
    let give_up = runtime::now() + LEASE_WAIT;
    loop {
        let written = match runtime::planted("apply-twice") {
            #[cfg(madsim)]
            true => crate::planted::write_impatiently(replica, &batch).await,
            _ => replica.raft.client_write(batch.clone()).await,
        };
        let error = match written {
            Ok(response) => return Ok(response.data),
            Err(error) => error,
        };
        let unconfirmed = error
            .forward_to_leader()
            .is_some_and(|forward| forward.reason == ForwardReason::LeaseExpired);
        if !unconfirmed || replica.is_stopping() || runtime::now() >= give_up {
            return Err(write_error(replica, error));
        }
        runtime::sleep(LEASE_RETRY).await;
    }
}

fn write_error(
    replica: &Replica,
    error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>,
) -> WriteError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => match forward.reason {
            ForwardReason::LeaseExpired => {
                not_applied(WriteFailure::Unavailable("no quorum confirms this leader".into()))
            }
            _ => WriteError::not_applied(elsewhere(replica, &forward)),
        },
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(forward)) => {
            WriteError::maybe_applied(elsewhere(replica, &forward))
        }
        RaftError::APIError(other) => {
            WriteError::maybe_applied(WriteFailure::Bug(other.to_string()))
        }
        RaftError::Fatal(fatal) => {
            WriteError::maybe_applied(WriteFailure::Unavailable(fatal.to_string()))
        }
    }
}

fn elsewhere(replica: &Replica, forward: &ForwardToLeader<TypeConfig>) -> NotLeader {
    replica.redirect(forward.leader_id, forward.leader_node.as_ref())
}

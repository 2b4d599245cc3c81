//! Bringing one command to a group's leader, until an answer or the deadline.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    Applied, ClientRequest, ClientResponse, Command, GroupId, InvalidRequest, Rejection, Reply,
    SessionStamp, WriteError, WriteFailure,
};
use aspen_net::{CallError, PeerAddress};

use crate::attempts::{Attempts, DISK_FULL_PATIENCE, UNAVAILABLE_PATIENCE};
use crate::deadline::Deadline;
use crate::routes::Affinity;
use crate::shared::Shared;

/// What the group answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    /// Whether an attempt before the answered one may have reached the group.
    pub(crate) sent_before: bool,
}

/// One command on its way. Every attempt repeats the same stamp.
pub(crate) struct Proposing<'a> {
    shared: &'a Arc<Shared>,
    attempts: Attempts<'a>,
    request: ClientRequest,
    bytes: usize,
    sent_before: bool,
}

impl<'a> Proposing<'a> {
    pub(crate) fn new(
        shared: &'a Arc<Shared>,
        group: GroupId,
        session: Option<SessionStamp>,
        command: Command,
        deadline: Deadline,
    ) -> Self {
        let attempts = Attempts::new(shared, group, Affinity::Leader, deadline);
        let bytes = match &command {
            Command::Transaction(transaction) => transaction.len_bytes(),
            _ => 0,
        };
        let request = ClientRequest::Propose { group, session, command };
        Self { shared, attempts, request, bytes, sent_before: false }
    }

    /// Tries until the group answers, the deadline passes or trying again cannot help.
    pub(crate) async fn run(mut self) -> Result<Answer, WriteError> {
        while let Some(peer) = self.attempts.next().await {
            if let Some(reply) = self.attempt(&peer).await? {
                return Ok(Answer { reply, sent_before: self.sent_before });
            }
        }
        let end = self.attempts.describe_end();
        Err(self.fail(match self.attempts.was_unavailable() {
            true => WriteFailure::Unavailable(format!("deadline passed: {end}")),
            false => WriteFailure::Timeout(end),
        }))
    }

    /// One attempt: an answer, `None` to try again, or an error that ends the request.
    async fn attempt(&mut self, peer: &PeerAddress) -> Result<Option<Reply>, WriteError> {
        let timeout = self.attempts.timeout(self.bytes);
        match self.shared.channel.call(peer, self.request.clone(), timeout).await {
            Ok(ClientResponse::Propose(Ok(Reply::Rejected(
                rejection @ (Rejection::TooManySessions { .. } | Rejection::TooManyResults { .. }),
            )))) => {
                self.attempts.pause_before_next(&rejection);
                Ok(None)
            }
            Ok(ClientResponse::Propose(Ok(reply))) => {
                self.attempts.answered(peer);
                Ok(Some(reply))
            }
            Ok(ClientResponse::Propose(Err(error))) => self.refused(peer, error).map(|()| None),
            Ok(_) => Err(self.fail(WriteFailure::Bug("the answer is of another kind".to_owned()))),
            Err(error) => self.call_failed(peer, error).map(|()| None),
        }
    }

    /// The node answered that the write failed there.
    fn refused(&mut self, peer: &PeerAddress, error: WriteError) -> Result<(), WriteError> {
        self.sent_before |= error.applied == Applied::Maybe;
        match error.failure {
            WriteFailure::NotLeader(hint) => self.attempts.not_leader(peer, &hint),
            WriteFailure::NoSuchGroup(_) => self.attempts.try_another(&error.failure),
            WriteFailure::Unavailable(_) | WriteFailure::ShardUnavailable { .. } => {
                return self.unavailable(error.failure, UNAVAILABLE_PATIENCE);
            }
            WriteFailure::DiskFull(_) => {
                return self.unavailable(error.failure, DISK_FULL_PATIENCE);
            }
            WriteFailure::Timeout(_) => self.attempts.try_another(&error.failure),
            WriteFailure::Overloaded(_) => self.attempts.pause_before_next(&error.failure),
            WriteFailure::Rejected(_)
            | WriteFailure::Invalid(_)
            | WriteFailure::Denied(_)
            | WriteFailure::TooManyShards { .. }
            | WriteFailure::Bug(_) => return Err(self.fail(error.failure)),
        }
        Ok(())
    }

    /// Gives up when waiting is of no use. While the write may have happened, only an answer can
    /// settle that, so it is sought until the deadline.
    fn unavailable(&mut self, failure: WriteFailure, patience: Duration) -> Result<(), WriteError> {
        match self.attempts.unavailable(&failure, patience) || self.sent_before {
            true => Ok(()),
            false => Err(self.fail(failure)),
        }
    }

    fn call_failed(&mut self, peer: &PeerAddress, error: CallError) -> Result<(), WriteError> {
        match error {
            CallError::Denied(detail) => return Err(self.fail(WriteFailure::Denied(detail))),
            CallError::TooLarge { .. } => {
                let invalid = InvalidRequest::new(error.to_string());
                return Err(self.fail(WriteFailure::Invalid(invalid)));
            }
            CallError::Lost(_) | CallError::Timeout => self.sent_before = true,
            CallError::Unreachable(_) => {}
        }
        self.attempts.call_failed(peer, &error);
        Ok(())
    }

    fn fail(&self, failure: WriteFailure) -> WriteError {
        let applied = if self.sent_before { Applied::Maybe } else { Applied::No };
        WriteError { failure, applied }
    }
}

//! Reads and scans: no effect, so retried freely.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    ClientRequest, ClientResponse, Consistency, GroupId, InvalidRequest, Projection,
    READ_BYTES_MAX, ReadError, ReadReply, ReadRequest, ScanPage, ScanRequest, SqlError,
};
use aspen_net::{CallError, PeerAddress};

use crate::attempts::{Attempts, UNAVAILABLE_PATIENCE};
use crate::deadline::Deadline;
use crate::routes::Affinity;
use crate::shared::{Shared, group_for};

impl Shared {
    pub(crate) async fn read(
        self: &Arc<Self>,
        request: ReadRequest,
    ) -> Result<ReadReply, ReadError> {
        request.validate()?;
        let affinity = affinity(request.consistency);
        let group = group_for();
        let answer_bytes = if request.keys.len() > 1 { READ_BYTES_MAX } else { 0 };
        let request = ClientRequest::Read { group, request };
        let reading = Reading::new(self, group, affinity, request, Some(answer_bytes));
        match reading.run().await? {
            ClientResponse::Read(result) => result,
            _ => Err(wrong_answer()),
        }
    }

    pub(crate) async fn scan(
        self: &Arc<Self>,
        request: ScanRequest,
    ) -> Result<ScanPage, ReadError> {
        request.validate()?;
        let affinity = affinity(request.effective_consistency());
        let group = group_for();
        // A count visits every key of its range for one small answer, so an attempt may take long.
        let counts = request.projection == Projection::CountOnly;
        let answer_bytes = (!counts).then_some(request.bytes_max);
        let request = ClientRequest::Scan { group, request };
        let reading = Reading::new(self, group, affinity, request, answer_bytes);
        match reading.run().await? {
            ClientResponse::Scan(result) => result,
            _ => Err(wrong_answer()),
        }
    }
}

/// Only the leader, or a node that asks it, knows what is newest; the rest any replica can answer.
pub(crate) fn affinity(consistency: Consistency) -> Affinity {
    match consistency {
        Consistency::Linearizable | Consistency::Lease => Affinity::Leader,
        Consistency::Stale | Consistency::AtRevision(_) => Affinity::Any,
    }
}

/// One read on its way.
pub(crate) struct Reading<'a> {
    shared: &'a Arc<Shared>,
    group: GroupId,
    affinity: Affinity,
    attempts: Attempts<'a>,
    deadline: Deadline,
    request: ClientRequest,
    /// How large the answer may be; `None` when an attempt may take until the deadline.
    answer_bytes: Option<usize>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(
        shared: &'a Arc<Shared>,
        group: GroupId,
        affinity: Affinity,
        request: ClientRequest,
        answer_bytes: Option<usize>,
    ) -> Self {
        let deadline = Deadline::after(shared.options.request_timeout());
        Self::until(deadline, shared, group, affinity, request, answer_bytes)
    }

    /// A read with a deadline of its own.
    pub(crate) fn until(
        deadline: Deadline,
        shared: &'a Arc<Shared>,
        group: GroupId,
        affinity: Affinity,
        request: ClientRequest,
        answer_bytes: Option<usize>,
    ) -> Self {
        let attempts = Attempts::new(shared, group, affinity, deadline);
        Self { shared, group, affinity, attempts, deadline, request, answer_bytes }
    }

    /// Tries until a node answers for good or the deadline passes.
    pub(crate) async fn run(mut self) -> Result<ClientResponse, ReadError> {
        let _permit = self.deadline.limit(self.shared.reads.acquire()).await.map_err(|_| {
            let limit = self.shared.options.reads_in_flight_max;
            ReadError::Overloaded(format!("{limit} reads are in flight"))
        })?;
        while let Some(peer) = self.attempts.next().await {
            let timeout = self.attempt_timeout();
            match self.shared.channel.call(&peer, self.request.clone(), timeout).await {
                Ok(response) => match self.judge(&peer, response)? {
                    Some(response) => return Ok(response),
                    None => continue,
                },
                Err(error) => self.call_failed(&peer, error)?,
            }
        }
        let end = self.attempts.describe_end();
        Err(match self.attempts.was_unavailable() {
            true => ReadError::Unavailable(format!("deadline passed: {end}")),
            false => ReadError::Timeout(end),
        })
    }

    fn attempt_timeout(&self) -> Duration {
        match self.answer_bytes {
            Some(bytes) => self.attempts.timeout(bytes),
            None => self.attempts.remaining(),
        }
    }

    /// A good answer, `None` to try again, or an error that no other attempt would cure.
    fn judge(
        &mut self,
        peer: &PeerAddress,
        response: ClientResponse,
    ) -> Result<Option<ClientResponse>, ReadError> {
        let error = match &response {
            ClientResponse::Read(Err(error))
            | ClientResponse::Scan(Err(error))
            | ClientResponse::Lease(Err(error))
            | ClientResponse::Sql(Err(SqlError::Read(error))) => error.clone(),
            _ => {
                if self.affinity == Affinity::Leader {
                    self.attempts.answered(peer);
                }
                return Ok(Some(response));
            }
        };
        match error {
            ReadError::NotLeader(hint) => self.attempts.not_leader(peer, &hint),
            ReadError::FutureRevision { .. } if self.may_lag(peer) => {
                self.attempts.prefer_leader();
                self.attempts.try_another(&error);
            }
            ReadError::Unavailable(_) | ReadError::ShardUnavailable { .. } => {
                if !self.attempts.unavailable(&error, UNAVAILABLE_PATIENCE) {
                    return Err(error);
                }
            }
            ReadError::NoSuchGroup(_) | ReadError::Timeout(_) => self.attempts.try_another(&error),
            ReadError::Overloaded(_) => self.attempts.pause_before_next(&error),
            error => return Err(error),
        }
        Ok(None)
    }

    /// A replica that follows may not have reached a revision that its leader has; only when the
    /// leader or every node of the round says so is the revision really in the future.
    fn may_lag(&self, peer: &PeerAddress) -> bool {
        !self.shared.routes.is_leader(self.group, peer.endpoint) && !self.attempts.round_is_over()
    }

    fn call_failed(&mut self, peer: &PeerAddress, error: CallError) -> Result<(), ReadError> {
        match error {
            CallError::Denied(detail) => Err(ReadError::Denied(detail)),
            CallError::TooLarge { .. } => {
                Err(ReadError::Invalid(InvalidRequest::new(error.to_string())))
            }
            CallError::Unreachable(_) | CallError::Lost(_) | CallError::Timeout => {
                self.attempts.call_failed(peer, &error);
                Ok(())
            }
        }
    }
}

pub(crate) fn wrong_answer() -> ReadError {
    ReadError::Bug("the answer is of another kind than the request".to_owned())
}

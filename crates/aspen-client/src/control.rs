//! Control requests: about the cluster itself.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    ClientRequest, ClientResponse, ControlError, ControlRequest, ControlResponse, GroupId,
};
use aspen_net::{CallError, PeerAddress};

use crate::attempts::Attempts;
use crate::deadline::Deadline;
use crate::routes::Affinity;
use crate::shared::Shared;

impl Shared {
    /// Asks for or changes the cluster. What only asks is retried freely; a change whose answer was
    /// lost is not, since control requests carry no session: the caller looks at the status first.
    pub(crate) async fn control(
        self: &Arc<Self>,
        request: ControlRequest,
    ) -> Result<ControlResponse, ControlError> {
        let (group, affinity) = route(&request);
        let deadline = Deadline::after(match only_asks(&request) {
            true => self.options.request_timeout(),
            false => self.options.control_timeout(),
        });
        let attempts = Attempts::new(self, group, affinity, deadline);
        Controlling { shared: self, attempts, request }.run().await
    }
}

/// Where a control request is served: what concerns one group by its leader, what concerns all of
/// them by the leader of the meta group, what only asks by anyone.
fn route(request: &ControlRequest) -> (GroupId, Affinity) {
    match request {
        ControlRequest::Status | ControlRequest::Ticket => (GroupId::META, Affinity::Any),
        ControlRequest::Metrics { group }
        | ControlRequest::Init { group, .. }
        | ControlRequest::TransferLeader { group, .. }
        | ControlRequest::TriggerSnapshot { group } => (*group, Affinity::Leader),
        ControlRequest::AddLearner { .. }
        | ControlRequest::ChangeMembership { .. }
        | ControlRequest::RemoveNode { .. } => (GroupId::META, Affinity::Leader),
    }
}

/// Whether the request changes nothing, so that a lost answer may be asked for again.
fn only_asks(request: &ControlRequest) -> bool {
    matches!(
        request,
        ControlRequest::Status | ControlRequest::Ticket | ControlRequest::Metrics { .. }
    )
}

struct Controlling<'a> {
    shared: &'a Arc<Shared>,
    attempts: Attempts<'a>,
    request: ControlRequest,
}

impl Controlling<'_> {
    async fn run(mut self) -> Result<ControlResponse, ControlError> {
        while let Some(peer) = self.attempts.next().await {
            let request = ClientRequest::Control(self.request.clone());
            let answer = self.shared.channel.call(&peer, request, self.attempt_timeout()).await;
            match answer {
                Ok(ClientResponse::Control(Ok(response))) => return Ok(self.learn(response)),
                Ok(ClientResponse::Control(Err(error))) => self.refused(&peer, error)?,
                Ok(_) => {
                    let detail = "the answer is of another kind than the request";
                    return Err(ControlError::Bug(detail.to_owned()));
                }
                Err(error) => self.call_failed(&peer, error)?,
            }
        }
        Err(ControlError::Unavailable(self.attempts.describe_end()))
    }

    /// A status is also news for the routing table.
    fn learn(&self, response: ControlResponse) -> ControlResponse {
        if let ControlResponse::Status(status) = &response {
            self.shared.routes.learn(status);
        }
        response
    }

    fn attempt_timeout(&self) -> Duration {
        if only_asks(&self.request) { self.attempts.timeout(0) } else { self.attempts.remaining() }
    }

    fn refused(&mut self, peer: &PeerAddress, error: ControlError) -> Result<(), ControlError> {
        match error {
            ControlError::NotLeader(hint) => self.attempts.not_leader(peer, &hint),
            ControlError::NoSuchGroup(_) if self.attempts.round_is_over() => return Err(error),
            ControlError::NoSuchGroup(_) => self.attempts.try_another(&error),
            ControlError::Unavailable(_) if only_asks(&self.request) => {
                self.attempts.try_another(&error);
            }
            error => return Err(error),
        }
        Ok(())
    }

    fn call_failed(&mut self, peer: &PeerAddress, error: CallError) -> Result<(), ControlError> {
        self.attempts.call_failed(peer, &error);
        match error {
            CallError::Denied(detail) => Err(ControlError::Denied(detail)),
            CallError::TooLarge { .. } => Err(ControlError::Invalid(error.to_string())),
            CallError::Lost(_) | CallError::Timeout if !only_asks(&self.request) => {
                Err(ControlError::Timeout(format!("the answer was lost: {error}")))
            }
            CallError::Unreachable(_) | CallError::Lost(_) | CallError::Timeout => Ok(()),
        }
    }
}

//! Who may do what.

use aspen_core::{
    ClientRequest, ClientResponse, ControlError, ControlRequest, GroupId, LeaseRequest, ReadError,
    Rights, WriteError, WriteFailure,
};

/// Lets a request pass, or answers it with a denial.
pub(super) fn check(
    rights: Rights,
    request: ClientRequest,
) -> Result<ClientRequest, ClientResponse> {
    let needed = needed(&request);
    if rights >= needed {
        return Ok(request);
    }
    let detail = format!("the ticket grants {rights:?}, this needs {needed:?}; use another ticket");
    Err(match request {
        ClientRequest::Read { .. } => ClientResponse::Read(Err(ReadError::Denied(detail))),
        ClientRequest::Scan { .. } => ClientResponse::Scan(Err(ReadError::Denied(detail))),
        ClientRequest::Propose { .. } => {
            let failure = WriteFailure::Denied(detail);
            ClientResponse::Propose(Err(WriteError::not_applied(failure)))
        }
        ClientRequest::Control(_) => ClientResponse::Control(Err(ControlError::Denied(detail))),
        ClientRequest::Watch { .. } => ClientResponse::Watch(Err(ReadError::Denied(detail).into())),
        ClientRequest::Lease { .. } => ClientResponse::Lease(Err(ReadError::Denied(detail))),
        ClientRequest::Sql { .. } => ClientResponse::Sql(Err(ReadError::Denied(detail).into())),
    })
}

/// The least right that allows a request.
fn needed(request: &ClientRequest) -> Rights {
    match request {
        ClientRequest::Read { .. }
        | ClientRequest::Scan { .. }
        | ClientRequest::Watch { .. }
        | ClientRequest::Sql { .. } => Rights::Read,
        // Who writes to the meta group changes the cluster: it holds the registry.
        ClientRequest::Propose { group, .. } if *group == GroupId::META => Rights::Admin,
        ClientRequest::Propose { .. } => Rights::Write,
        ClientRequest::Control(
            ControlRequest::Status | ControlRequest::Metrics { .. } | ControlRequest::Ticket,
        ) => Rights::Read,
        ClientRequest::Control(_) => Rights::Admin,
        ClientRequest::Lease { request, .. } => match request {
            LeaseRequest::TimeToLive { .. } | LeaseRequest::List { .. } => Rights::Read,
            LeaseRequest::KeepAlive { .. } => Rights::Write,
        },
    }
}

//! Carries out one change of a group's membership.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{ControlError, runtime};
use openraft::ChangeMembers;
use openraft::errors::{ChangeMembershipError, ClientWriteError, ForwardReason, RaftError};
use openraft::raft::ClientWriteResponse;

use crate::replica::Replica;
use crate::types::{Member, TypeConfig};

type Changed =
    Result<ClientWriteResponse<TypeConfig>, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>;

/// How often a change is tried again while the one before it is not finished.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// Changes the members. A voter that is replaced leaves the group; it does not stay as a learner.
pub(crate) async fn change(
    replica: &Arc<Replica>,
    members: ChangeMembers<u64, Member>,
) -> Result<(), ControlError> {
    change_in_time(replica, || {
        let (this, members) = (replica.clone(), members.clone());
        async move { this.raft.change_membership(members, false).await }
    })
    .await
}

/// Tries until a change is made, refused, or out of time. A change that the one before it keeps
/// from starting waits for it. Each try is a task of its own: an impatient caller does not leave a
/// joint membership behind half-way.
pub(crate) async fn change_in_time<F>(
    replica: &Replica,
    attempt: impl Fn() -> F,
) -> Result<(), ControlError>
where
    F: Future<Output = Changed> + Send + 'static,
{
    let give_up = runtime::now() + replica.options.membership_timeout();
    loop {
        let left = give_up.saturating_duration_since(runtime::now());
        let error = match runtime::timeout(left, runtime::spawn(attempt())).await {
            Ok(Ok(Ok(_))) => return Ok(()),
            Ok(Ok(Err(error))) => error,
            Ok(Err(error)) => return Err(ControlError::Bug(error.to_string())),
            Err(_) => return Err(out_of_time(replica)),
        };
        if !has_to_wait(&error) {
            return Err(control_error(replica, error));
        }
        runtime::sleep(TRY_AGAIN).await;
    }
}

fn out_of_time(replica: &Replica) -> ControlError {
    let limit = replica.options.membership_timeout_ms;
    ControlError::Timeout(format!("not finished within {limit} ms (membership_timeout_ms)"))
}

fn has_to_wait(error: &RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> bool {
    let RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) = error else {
        return false;
    };
    matches!(
        error,
        ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_)
    )
}

fn control_error(
    replica: &Replica,
    error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>,
) -> ControlError {
    let error = match error {
        RaftError::APIError(error) => error,
        RaftError::Fatal(fatal) => return ControlError::Unavailable(fatal.to_string()),
    };
    match error {
        ClientWriteError::ForwardToLeader(forward)
            if forward.reason == ForwardReason::LeaseExpired =>
        {
            ControlError::Unavailable("no quorum confirms this leader".into())
        }
        ClientWriteError::ForwardToLeader(forward)
        | ClientWriteError::LogEntryDiscarded(forward) => {
            replica.redirect(forward.leader_id, forward.leader_node.as_ref()).into()
        }
        ClientWriteError::ChangeMembershipError(error) => match error {
            ChangeMembershipError::InProgress(_)
            | ChangeMembershipError::UncommittedLeaderLog(_) => {
                ControlError::Unavailable(error.to_string())
            }
            other => ControlError::Invalid(other.to_string()),
        },
        ClientWriteError::PreconditionFailed(error) => ControlError::Bug(error.to_string()),
    }
}

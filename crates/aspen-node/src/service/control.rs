//! Requests about the cluster itself.
//!
//! Who belongs to the cluster and who votes is written to the registry as a wish, on the meta
//! group's leader; each group's leader then works towards it, and the request waits until every
//! group has come there.

use std::collections::BTreeSet;
use std::time::Duration;

use aspen_core::{
    Caller, ClusterController, ControlError, ControlRequest, ControlResponse, GroupId,
    GroupMetrics, NodeId, NotLeader, Operation, ReadError, WriteError, WriteFailure,
};

use super::settle::settle;
use super::status;
use crate::core::Core;
use crate::registry::{self, ChangeError, Registry};

/// How long a change of membership may take: mostly the time to copy a group's data to a new node.
/// Longer suits larger data; the wish stays in force either way.
const MEMBERSHIP_TIMEOUT: Duration = Duration::from_secs(55);

type Outcome = Result<ControlResponse, ControlError>;

/// Answers one request; the caller's rights were checked.
pub(super) async fn run(core: &Core, caller: Caller, request: ControlRequest) -> Outcome {
    let outcome = match request {
        ControlRequest::Status => {
            Ok(ControlResponse::Status(Box::new(status::status(core, caller).await)))
        }
        ControlRequest::Metrics { group } => {
            let metrics = core.host.metrics(group).await?;
            Ok(ControlResponse::Metrics(Box::new(metrics)))
        }
        ControlRequest::Ticket => match core.ticket(caller.rights) {
            Ok(ticket) => Ok(ControlResponse::Ticket(ticket.to_string())),
            Err(error) => Err(ControlError::Unavailable(error.to_string())),
        },
        ControlRequest::Init { group, members } => done(core.host.init(group, members).await),
        ControlRequest::AddLearner { node } => add_learner(core, node).await,
        ControlRequest::ChangeMembership { voters } => change_membership(core, voters).await,
        ControlRequest::RemoveNode { node } => remove_node(core, node).await,
        ControlRequest::TransferLeader { group, to } => {
            done(core.host.transfer_leader(group, to).await)
        }
        ControlRequest::TriggerSnapshot { group } => done(core.host.trigger_snapshot(group).await),
    };
    outcome.map_err(|error| match error {
        ControlError::NotLeader(hint) => ControlError::NotLeader(core.directory.locate(hint)),
        other => other,
    })
}

fn done(result: Result<(), ControlError>) -> Outcome {
    result.map(|()| ControlResponse::Done)
}

async fn add_learner(core: &Core, node: NodeId) -> Outcome {
    wish(core, |registry| require_registered(registry, node).map(|()| Vec::new())).await?;
    let member = |m: &GroupMetrics| m.voters.contains(&node) || m.learners.contains(&node);
    wait_everywhere(core, member).await
}

async fn change_membership(core: &Core, voters: BTreeSet<NodeId>) -> Outcome {
    wish(core, |registry| decide_voters(registry, &voters)).await?;
    let wanted: Vec<NodeId> = voters.iter().copied().collect();
    wait_everywhere(core, |metrics| same(&metrics.voters, &wanted)).await
}

async fn remove_node(core: &Core, node: NodeId) -> Outcome {
    if core.leads_meta() && node == core.node {
        return hand_over(core).await;
    }
    wish(core, |registry| decide_removal(registry, node)).await?;
    wait_everywhere(core, |m| !m.voters.contains(&node) && !m.learners.contains(&node)).await
}

/// A node cannot remove itself: it would not hear of it. It makes another the leader, and the
/// caller is sent there.
async fn hand_over(core: &Core) -> Outcome {
    let voters = core.meta.metrics().voters;
    let online = |id: &&NodeId| **id != core.node && core.links.peer_online(**id);
    let Some(to) = voters.iter().find(online).copied() else {
        let detail = "no other voter is online; the last one of a cluster cannot be removed";
        return Err(ControlError::Invalid(detail.to_owned()));
    };
    core.host.transfer_leader(GroupId::META, to).await?;
    Err(ControlError::NotLeader(NotLeader {
        group: GroupId::META,
        leader: Some(to),
        address: None,
    }))
}

/// Writes a wish; only the meta group's leader can.
async fn wish(
    core: &Core,
    decide: impl Fn(&Registry) -> Result<Vec<Operation>, ControlError>,
) -> Result<(), ControlError> {
    if !core.leads_meta() {
        let leader = core.meta.leader();
        let hint = NotLeader { group: GroupId::META, leader, address: None };
        return Err(ControlError::NotLeader(hint));
    }
    let changed = registry::change(&core.meta, decide).await;
    changed.map_err(control_error)?;
    core.registry_changed.notify_one();
    Ok(())
}

fn control_error(error: ChangeError<ControlError>) -> ControlError {
    match error {
        ChangeError::Refused(refusal) => refusal,
        ChangeError::Read(ReadError::NotLeader(hint))
        | ChangeError::Write(WriteError { failure: WriteFailure::NotLeader(hint), .. }) => {
            ControlError::NotLeader(hint)
        }
        other => ControlError::Unavailable(other.to_string()),
    }
}

/// Waits until every group is as wished.
async fn wait_everywhere(core: &Core, reached: impl Fn(&GroupMetrics) -> bool) -> Outcome {
    for group in core.host.groups() {
        settle(&group, MEMBERSHIP_TIMEOUT, &reached).await.map_err(|_| {
            ControlError::Timeout(format!(
                "{} has not got there within {} s; the wish stays in force, see the status",
                group.id(),
                MEMBERSHIP_TIMEOUT.as_secs()
            ))
        })?;
    }
    Ok(ControlResponse::Done)
}

fn same(voters: &[NodeId], wanted: &[NodeId]) -> bool {
    let mut voters = voters.to_vec();
    voters.sort_unstable();
    voters == wanted
}

fn require_registered(registry: &Registry, node: NodeId) -> Result<(), ControlError> {
    if registry.nodes.contains_key(&node) {
        return Ok(());
    }
    let detail = format!(
        "node {node} is not registered; start it with a ticket of this cluster and the cookie, and \
         it registers itself"
    );
    Err(ControlError::Invalid(detail))
}

fn decide_voters(
    registry: &Registry,
    voters: &BTreeSet<NodeId>,
) -> Result<Vec<Operation>, ControlError> {
    if voters.is_empty() {
        return Err(ControlError::Invalid("a group needs at least 1 voter".to_owned()));
    }
    voters.iter().try_for_each(|node| require_registered(registry, *node))?;
    let everyone = registry.nodes.keys().all(|node| voters.contains(node));
    Ok(registry::voters_wish((!everyone).then_some(voters)))
}

fn decide_removal(registry: &Registry, node: NodeId) -> Result<Vec<Operation>, ControlError> {
    // Asked again after a lost answer, the removal is under way or done.
    if registry.removed.contains_key(&node) {
        return Ok(Vec::new());
    }
    require_registered(registry, node)?;
    if registry.voters().iter().all(|voter| *voter == node) {
        let detail = format!("node {node} is the last voter; make another node a voter first");
        return Err(ControlError::Invalid(detail));
    }
    let record = &registry.nodes[&node];
    Ok(registry::removal(record, registry.wished_voters.as_ref()))
}

#[cfg(test)]
mod tests;

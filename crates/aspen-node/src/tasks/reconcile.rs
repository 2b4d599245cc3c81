//! Brings a group's members to what the registry wishes, while this node leads the group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{ClusterController, Consistency, ControlError, GroupId, GroupRole, NodeId};
use aspen_raft::Group;

use crate::core::Core;
use crate::membership::{Situation, Step};
use crate::registry::Registry;

/// How often to compare. A newcomer waits about this long for each of its steps.
const COMPARE_EVERY: Duration = Duration::from_millis(200);

/// How long a step may take before others get their turn; it may still succeed behind our back,
/// and the next comparison sees it.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a node whose step failed waits for its next.
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// Compares and acts until it is dropped.
pub(super) async fn reconcile(core: Arc<Core>, group: Arc<Group>) {
    let mut failed = BTreeMap::new();
    loop {
        runtime::sleep(COMPARE_EVERY).await;
        failed.retain(|_, until: &mut Instant| *until > runtime::now());
        let Some(step) = next_step(&core, &group, &failed).await else { continue };
        let subject = step.subject();
        tracing::info!(group = %group.id(), ?step, "membership step");
        let outcome = runtime::timeout(STEP_TIMEOUT, run(&core, &group, step)).await;
        let failure = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        tracing::warn!(group = %group.id(), node = %subject, failure, "membership step failed");
        failed.insert(subject, runtime::now() + RETRY_AFTER);
    }
}

/// Looks at this node's own copies first, which costs nothing; only when something is to be done
/// is the registry read so that no newer wish is overlooked.
async fn next_step(core: &Core, group: &Group, failed: &BTreeMap<NodeId, Instant>) -> Option<Step> {
    if group.metrics().role != GroupRole::Leader {
        return None;
    }
    let avoid: BTreeSet<NodeId> = failed.keys().copied().collect();
    look(core, group, &avoid, Consistency::Stale).await?;
    look(core, group, &avoid, Consistency::Linearizable).await
}

async fn look(
    core: &Core,
    group: &Group,
    avoid: &BTreeSet<NodeId>,
    consistency: Consistency,
) -> Option<Step> {
    let registry = Registry::load(&core.meta, consistency).await;
    let registry = registry.inspect_err(|error| tracing::debug!(%error, "no registry")).ok()?;
    let nodes = registry.nodes.keys().copied();
    let online = nodes.filter(|node| *node == core.node || core.links.peer_online(*node)).collect();
    let metrics = group.metrics();
    let mut avoid = avoid.clone();
    if group.id() == GroupId::META {
        avoid.extend(members_elsewhere(core, &registry));
    }
    let avoid = &avoid;
    Situation { registry: &registry, metrics: &metrics, online: &online, avoid }.next_step()
}

/// Removed nodes that are still in other groups. They leave the meta group last: one that leads
/// another group must read here that it is to hand over.
///
/// This node itself is not among them. When it leads the meta group and was removed, it hands over
/// at once: its replica of a group that it has left stays as it was for ever, and would name
/// members that are gone.
fn members_elsewhere(core: &Core, registry: &Registry) -> Vec<NodeId> {
    let others = core.host.groups().into_iter().filter(|group| group.id() != GroupId::META);
    let members = others.flat_map(|group| group.members()).map(|record| record.id);
    removed_of(members, core.node, registry)
}

fn removed_of(
    members: impl Iterator<Item = NodeId>,
    own: NodeId,
    registry: &Registry,
) -> Vec<NodeId> {
    members.filter(|node| *node != own && registry.removed.contains_key(node)).collect()
}

async fn run(core: &Core, group: &Group, step: Step) -> Result<(), ControlError> {
    let id = group.id();
    match step {
        Step::HandOver(to) => core.host.transfer_leader(id, to).await,
        Step::Remove(node) => core.host.remove_node(id, node).await,
        Step::AddLearner(record) => core.host.add_learner(id, record).await,
        Step::SetVoters { voters, .. } => core.host.change_membership(id, voters).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aspen_core::{EndpointKey, NodeRecord};

    /// A node that led the meta group was removed after it had left the data group. Its replica of
    /// that group stayed as it was on its last day, with itself among the members. It took its own
    /// word for it, waited to be gone there before it handed the meta group over, and so led for
    /// ever a group of which it was to be no member: no change of members was made any more
    /// (found in simulation by seeds 30289 and 40103).
    #[test]
    fn a_removed_node_does_not_wait_for_itself() {
        let id = NodeId::new;
        let record = |node: u64| NodeRecord {
            id: id(node),
            endpoint: EndpointKey::new([node as u8; 32]),
            addresses: Vec::new(),
        };
        let removed = [1, 3].map(|node| (id(node), record(node))).into();
        let registry = Registry { removed, ..Registry::default() };
        let members = || [1, 2, 3].map(id).into_iter();
        assert_eq!(removed_of(members(), id(1), &registry), [id(3)]);
        assert_eq!(removed_of(members(), id(2), &registry), [id(1), id(3)]);
    }
}

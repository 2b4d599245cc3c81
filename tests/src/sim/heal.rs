//! The end of all faults: everything is repaired, and the cluster must serve again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::sim::{Skew, buggify_nowhere, sleep};
use aspen_core::{ControlRequest, GroupMetrics, LogIndex, NodeId, runtime};
use aspen_node::compose::GROUPS;
use aspen_raft::Group;

use super::cluster::{Crash, SimCluster};
use super::machine::Running;
use super::nemesis::is_unknown_node;
use super::trace;
use super::world::World;
use crate::check::Violation;

/// How long a repaired cluster may take until every node serves.
const HEAL_PATIENCE: Duration = Duration::from_secs(120);

/// How long the members may take to become what operators wish.
const MEMBERS_PATIENCE: Duration = Duration::from_secs(120);

/// The promise that this page checks.
const LIVENESS: &str = "a repaired cluster serves again";

/// Repairs everything and waits until every node follows one leader and has applied the same.
pub(crate) async fn heal(world: &World) -> Result<(), Violation> {
    repair(world);
    let mut revived = Revived::default();
    restore_members(world, &mut revived).await?;
    let converged = world.cluster.wait_for(HEAL_PATIENCE, |cluster| {
        revived.look(cluster);
        has_converged(cluster)
    });
    let converged = converged.await;
    trace::note("phase", format!("healed: {converged}"));
    match converged {
        true => Ok(()),
        false => Err(Violation::new(LIVENESS, world.cluster.describe())),
    }
}

fn repair(world: &World) {
    trace::note("phase", "repair");
    buggify_nowhere();
    world.cluster.network.heal();
    for machine in world.cluster.living() {
        machine.set_clock(Skew::default());
        world.disks.recover(machine.cell);
        machine.resume();
        machine.platter.set_faults(|faults| *faults = Default::default());
        machine.states.lock().set_power_failure(None);
        let ails = machine.boot_failure().is_some()
            || machine.is_stricken()
            || machine.has_stopped_group();
        if machine.running() == Running::Up && ails {
            world.cluster.crash(machine.node, Crash::Killed);
        }
        world.cluster.restart(machine.node);
    }
}

/// Nodes that an operator has started again because a replica of theirs had stopped. What a fault
/// did may show only after it has ended; a replica that stops once more has no excuse.
#[derive(Default)]
struct Revived(BTreeSet<NodeId>);

impl Revived {
    fn look(&mut self, cluster: &SimCluster) {
        for machine in cluster.living() {
            let has_stopped = machine.running() == Running::Up && machine.has_stopped_group();
            if has_stopped && self.0.insert(machine.node) {
                cluster.crash(machine.node, Crash::Killed);
                cluster.restart(machine.node);
            }
        }
    }
}

/// Finishes what operators began: removed nodes go, and all others vote.
async fn restore_members(world: &World, revived: &mut Revived) -> Result<(), Violation> {
    let _alone = world.membership.lock().await;
    for node in world.departing() {
        insist(world, ControlRequest::RemoveNode { node }, revived).await?;
        world.retire(node);
    }
    let here = || world.cluster.living().iter().all(|it| it.composed().is_some());
    if !world.cluster.wait_for(MEMBERS_PATIENCE, |_| here()).await {
        return Err(Violation::new(LIVENESS, world.cluster.describe()));
    }
    let voters: BTreeSet<NodeId> = world.cluster.living().iter().map(|it| it.node).collect();
    insist(world, ControlRequest::ChangeMembership { voters }, revived).await
}

/// Asks until it is done.
async fn insist(
    world: &World,
    request: ControlRequest,
    revived: &mut Revived,
) -> Result<(), Violation> {
    let deadline = runtime::now() + MEMBERS_PATIENCE;
    loop {
        revived.look(&world.cluster);
        let error = match world.operator().control(request.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        trace::note("operator", format!("{request:?}: {error}"));
        if matches!(request, ControlRequest::RemoveNode { .. }) && is_unknown_node(&error) {
            return Ok(());
        }
        if runtime::now() >= deadline {
            let detail = format!("{request:?}: {error}\n{}", world.cluster.describe());
            return Err(Violation::new(LIVENESS, detail));
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Whether in every group all living nodes vote, follow one leader and have applied the same.
pub(crate) fn has_converged(cluster: &SimCluster) -> bool {
    let nodes: BTreeSet<NodeId> = cluster.living().iter().map(|machine| machine.node).collect();
    GROUPS.iter().all(|group| {
        let by_node: BTreeMap<NodeId, GroupMetrics> =
            cluster.metrics(*group).into_iter().map(|metrics| (metrics.node, metrics)).collect();
        let leader = by_node.values().find_map(|metrics| metrics.leader);
        let applied: BTreeSet<Option<LogIndex>> =
            by_node.values().map(|metrics| metrics.applied).collect();
        let agrees = |metrics: &GroupMetrics| {
            let voters: BTreeSet<NodeId> = metrics.voters.iter().copied().collect();
            metrics.leader == leader && voters == nodes
        };
        let is_through = |replica: &Arc<Group>| !replica.is_changing_voters();
        leader.is_some()
            && cluster.replicas(*group).iter().all(|(_, replica)| is_through(replica))
            && by_node.len() == nodes.len()
            && applied.len() == 1
            && by_node.values().all(agrees)
    })
}

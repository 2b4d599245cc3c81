//! Nodes that come and go.

use std::collections::BTreeSet;
use std::time::Duration;

use aspen_core::{ControlRequest, NodeId};
use serde::{Deserialize, Serialize};

use super::operator::{ask, remove};
use super::{Target, Which};
use crate::sim::trace;
use crate::sim::world::World;

/// How long operators try a step before they leave it for later.
const STEP_PATIENCE: Duration = Duration::from_secs(10);

/// More nodes than this are not added.
const NODES_MAX: usize = 8;

/// A new node joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AddNode {}

impl AddNode {
    pub(super) async fn strike(&self, world: &World) {
        let _alone = world.membership.lock().await;
        if world.cluster.living().len() < NODES_MAX {
            add(world).await;
        }
    }
}

async fn add(world: &World) {
    let node = world.unused_node();
    world.cluster.add(node);
    world.await_until(STEP_PATIENCE, || votes(world, node)).await;
}

fn votes(world: &World, node: NodeId) -> bool {
    let groups = [Which::Meta, Which::Data].map(Which::group);
    groups.iter().all(|group| {
        let leader = world.cluster.leader(*group);
        let metrics = world.cluster.metrics(*group);
        metrics.iter().any(|it| Some(it.node) == leader && it.voters.contains(&node))
    })
}

/// A node is removed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemoveNode {
    pub(crate) target: Target,
}

impl RemoveNode {
    pub(super) async fn strike(&self, world: &World) {
        let _alone = world.membership.lock().await;
        let node = self.target.find(&world.cluster);
        let Some(node) = node.filter(|node| world.can_do_without(*node)) else { return };
        world.departs(node);
        if remove(world, node).await {
            world.retire(node);
        }
    }
}

/// A node that lost its disk is removed, and another added.
pub(super) async fn replace(world: &World, node: NodeId) {
    trace::note("replaced", format!("node {node}"));
    world.cluster.lose(node);
    world.departs(node);
    while !remove(world, node).await {
        if world.is_healing() {
            return;
        }
        world.hold(Duration::from_millis(500)).await;
    }
    world.retire(node);
    add(world).await;
}

/// Only some nodes vote for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetVoters {
    /// A bit for each node, in order.
    pub(crate) nodes: u64,
}

impl SetVoters {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let _alone = world.membership.lock().await;
        let living: Vec<NodeId> = world.cluster.living().iter().map(|it| it.node).collect();
        let chosen = living.iter().enumerate().filter(|(index, _)| self.nodes >> index & 1 == 1);
        let voters: BTreeSet<NodeId> = chosen.map(|(_, node)| *node).collect();
        if voters.is_empty() {
            return;
        }
        ask(world, ControlRequest::ChangeMembership { voters }).await;
        world.hold(lasts).await;
        let voters = living.into_iter().collect();
        ask(world, ControlRequest::ChangeMembership { voters }).await;
    }
}

//! Processes that die or stop.

use std::time::Duration;

use aspen_core::NodeId;
use serde::{Deserialize, Serialize};

use super::Target;
use crate::sim::cluster::Crash;
use crate::sim::world::World;

/// One process ends, and starts again later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CrashOne {
    pub(crate) target: Target,
    pub(crate) how: Crash,
}

impl CrashOne {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let Some(node) = self.target.find(&world.cluster) else { return };
        crash_for(world, node, self.how, lasts).await;
    }
}

async fn crash_for(world: &World, node: NodeId, how: Crash, lasts: Duration) {
    world.cluster.crash(node, how);
    world.hold(lasts).await;
    world.cluster.restart(node);
}

/// Every process ends at once; they start again in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CrashAll {
    pub(crate) how: Crash,
    /// Between two starts, in milliseconds.
    pub(crate) gap_ms: u64,
}

impl CrashAll {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let nodes: Vec<NodeId> = world.cluster.living().iter().map(|it| it.node).collect();
        for node in &nodes {
            world.cluster.crash(*node, self.how);
        }
        world.hold(lasts).await;
        for node in nodes {
            world.cluster.restart(node);
            world.hold(Duration::from_millis(self.gap_ms)).await;
        }
    }
}

/// Every process ends and starts again, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rolling {
    pub(crate) how: Crash,
    /// How long each is down, in milliseconds.
    pub(crate) down_ms: u64,
    /// How long each is up before the next goes, in milliseconds.
    pub(crate) up_ms: u64,
}

impl Rolling {
    pub(super) async fn strike(&self, world: &World, _lasts: Duration) {
        let nodes: Vec<NodeId> = world.cluster.living().iter().map(|it| it.node).collect();
        for node in nodes {
            if world.is_healing() {
                return;
            }
            crash_for(world, node, self.how, Duration::from_millis(self.down_ms)).await;
            world.hold(Duration::from_millis(self.up_ms)).await;
        }
    }
}

/// The power fails in the midst of a disk operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PowerCut {
    pub(crate) target: Target,
    /// Whether it fails while the state's files are written, instead of the log.
    pub(crate) in_files: bool,
    /// How many operations there still succeed.
    pub(crate) operations: u64,
}

impl PowerCut {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let Some(node) = self.target.find(&world.cluster) else { return };
        let Some(machine) = world.cluster.machine(node) else { return };
        let set = |after| match self.in_files {
            true => machine.states.lock().set_power_failure(after),
            false => machine.platter.set_faults(|faults| faults.power_fails_after = after),
        };
        set(Some(self.operations));
        world.await_until(lasts, || machine.is_stricken()).await;
        set(None);
        if machine.is_stricken() {
            crash_for(world, node, Crash::PowerFailed, lasts / 4).await;
        }
    }
}

/// A sync fails, and what it should have written is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncFailure {
    pub(crate) target: Target,
    /// How many syncs of the log's disk still succeed.
    pub(crate) syncs: u64,
}

impl SyncFailure {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let Some(node) = self.target.find(&world.cluster) else { return };
        let Some(machine) = world.cluster.machine(node) else { return };
        machine.platter.set_faults(|faults| faults.sync_fails_after = Some(self.syncs));
        world.await_until(lasts, || machine.is_stricken()).await;
        machine.platter.set_faults(|faults| faults.sync_fails_after = None);
        if machine.is_stricken() {
            // Its log has stopped; an operator notices after a while.
            world.hold(lasts / 4).await;
            crash_for(world, node, Crash::Killed, lasts / 4).await;
        }
    }
}

/// A process is stopped in its tracks, and goes on later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pause {
    pub(crate) target: Target,
}

impl Pause {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let Some(node) = self.target.find(&world.cluster) else { return };
        let Some(machine) = world.cluster.machine(node) else { return };
        machine.pause();
        world.hold(lasts).await;
        machine.resume();
    }
}

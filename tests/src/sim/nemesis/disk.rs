//! Disks that are slow, full or broken.

use std::time::Duration;

use aspen_core::{GroupId, NodeId};
use serde::{Deserialize, Serialize};

use super::members::replace;
use super::{Target, Which};
use crate::sim::cluster::Crash;
use crate::sim::rot::{Found, inspect};
use crate::sim::trace;
use crate::sim::world::World;

/// A node's disk has no more room, until someone frees some.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DiskFull {
    pub(crate) target: Target,
    /// What is left, in bytes.
    pub(crate) free_bytes: u64,
}

impl DiskFull {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let Some(node) = self.target.find(&world.cluster) else { return };
        let Some(machine) = world.cluster.machine(node) else { return };
        machine.platter.set_faults(|faults| faults.free_bytes = Some(self.free_bytes));
        world.hold(lasts).await;
        machine.platter.set_faults(|faults| faults.free_bytes = None);
        if machine.has_stopped_group() {
            // Consensus takes a log that cannot be written for the end of the replica.
            world.cluster.crash(node, Crash::Killed);
            world.cluster.restart(node);
        }
    }
}

/// A node's disk takes long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DiskSlow {
    pub(crate) target: Target,
    /// How much longer each step takes at least, in milliseconds.
    pub(crate) ms_min: u64,
    /// And at most.
    pub(crate) ms_max: u64,
}

impl DiskSlow {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let Some(node) = self.target.find(&world.cluster) else { return };
        let Some(machine) = world.cluster.machine(node) else { return };
        world.disks.slow_down(machine.cell, (self.ms_min, self.ms_max));
        world.hold(lasts).await;
        world.disks.recover(machine.cell);
    }
}

/// A change of membership is through after this long, or shows.
const CHANGE_TAKES: Duration = Duration::from_secs(3);

/// A node loses its disk; operators remove it and add another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoseDisk {
    pub(crate) target: Target,
}

impl LoseDisk {
    pub(super) async fn strike(&self, world: &World) {
        let _alone = world.membership.lock().await;
        let node = self.target.find(&world.cluster);
        let can_spare = world.can_spare_a_disk().await;
        let Some(node) = node.filter(|_| can_spare) else { return };
        replace(world, node).await;
    }
}

/// Bits of a node's log flip while its machine is off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BitRot {
    pub(crate) target: Target,
    pub(crate) bits: u64,
}

impl BitRot {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let _alone = world.membership.lock().await;
        let node = self.target.find(&world.cluster);
        let can_spare = world.can_spare_a_disk().await;
        let Some(node) = node.filter(|_| can_spare) else { return };
        let Some(machine) = world.cluster.machine(node) else { return };
        world.cluster.crash(node, Crash::PowerFailed);
        let sound = machine.platter.copy();
        for _ in 0..self.bits {
            machine.platter.flip_bit();
        }
        let found = inspect(&sound, &machine.platter.copy(), &world.cluster.setup.log).await;
        trace::note("bit rot", format!("node {node}: {found:?}"));
        match found {
            Found::Harmless => {
                world.hold(lasts).await;
                world.cluster.restart(node);
            }
            // An operator sees the one, and nobody the other: a log that ends early looks as one
            // whose last commit was cut short. Either way the disk is not to be used again.
            Found::Noticed(_) | Found::EndsEarly => replace(world, node).await,
            Found::Altered(what) => world.cluster.oracle.altered_log(node, &what),
        }
    }
}

impl World {
    /// Whether every group has lost no disk yet and keeps a majority without one more. Looks twice,
    /// since a change of membership may be about to begin.
    async fn can_spare_a_disk(&self) -> bool {
        if !self.is_a_disk_spare() {
            return false;
        }
        self.hold(CHANGE_TAKES).await;
        !self.is_healing() && self.is_a_disk_spare()
    }

    fn is_a_disk_spare(&self) -> bool {
        let groups = [Which::Meta, Which::Data].map(Which::group);
        groups.iter().all(|group| {
            let leader = self.cluster.leader(*group);
            let metrics = self.cluster.metrics(*group);
            let of_leader = metrics.iter().find(|metrics| Some(metrics.node) == leader);
            of_leader.is_some_and(|metrics| {
                let lost = |node| self.cluster.machine(node).is_none_or(|it| it.is_lost());
                let is_settled = metrics.committed == metrics.last_log;
                is_settled
                    && !self.is_changing_voters(*group)
                    && self.know_each_other(*group, &metrics.voters)
                    && metrics.voters.len() >= 3
                    && !metrics.voters.iter().any(|node| lost(*node))
            })
        })
    }

    /// Whether some replica is in a joint membership: then two majorities are needed, and the old
    /// one may have no disk to spare.
    fn is_changing_voters(&self, group: GroupId) -> bool {
        self.cluster.replicas(group).iter().any(|(_, replica)| replica.is_changing_voters())
    }

    /// Whether every voter is there and has heard who the voters are. One that was away while the
    /// others were replaced takes messages of none of them, and counts towards no majority.
    fn know_each_other(&self, group: GroupId, voters: &[NodeId]) -> bool {
        let replicas = self.cluster.replicas(group);
        let knows = |voter: &NodeId| {
            let replica = replicas.iter().find(|(node, _)| node == voter);
            replica.is_some_and(|(_, replica)| replica.metrics().voters == voters)
        };
        voters.iter().all(knows)
    }
}

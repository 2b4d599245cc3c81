//! What faults act on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aspen_client::Client;
use aspen_core::NodeId;
use aspen_core::runtime::sim::{self as seam, NodeId as Cell, sleep};
use aspen_core::runtime::{self, watch};
use madsim::rand::{Rng, thread_rng};
use parking_lot::Mutex;

use super::cluster::SimCluster;
use super::network::FaultId;

/// The number of the operators' client; no fault that names clients names this one.
const ADMIN: u64 = 900;

/// The cluster under test, and the means to harm it.
pub(crate) struct World {
    pub(crate) cluster: Arc<SimCluster>,
    pub(crate) disks: Arc<DiskTimes>,
    /// Held by whoever changes which nodes there are.
    pub(crate) membership: tokio::sync::Mutex<()>,
    /// Nodes that operators have begun to remove.
    departing: Mutex<BTreeSet<NodeId>>,
    healing: watch::Sender<bool>,
    faults: AtomicU64,
    next_node: AtomicU64,
}

impl World {
    /// The world around a cluster.
    pub(crate) fn new(cluster: Arc<SimCluster>, disks: Arc<DiskTimes>) -> Arc<Self> {
        Arc::new(Self {
            next_node: AtomicU64::new(cluster.setup.nodes + 1),
            cluster,
            disks,
            membership: tokio::sync::Mutex::default(),
            departing: Mutex::default(),
            healing: watch::Sender::new(false),
            faults: AtomicU64::new(0),
        })
    }

    /// An operator's client, which knows the nodes that there are now. One that was made earlier
    /// may know only nodes that are gone.
    pub(crate) fn operator(&self) -> Client {
        self.cluster.admin(ADMIN)
    }

    /// Waits while a fault lasts; shorter when the cluster is to heal.
    pub(crate) async fn hold(&self, lasts: Duration) {
        let mut healing = self.healing.subscribe();
        // Either way the fault ends.
        let _ = runtime::timeout(lasts, healing.wait_for(|healing| *healing)).await;
    }

    /// Whether the cluster is to heal.
    pub(crate) fn is_healing(&self) -> bool {
        *self.healing.borrow()
    }

    /// Ends every fault that lasts.
    pub(crate) fn heal(&self) {
        self.healing.send_replace(true);
    }

    /// A name for the next fault's rules.
    pub(crate) fn fault_id(&self) -> FaultId {
        FaultId(self.faults.fetch_add(1, Ordering::Relaxed))
    }

    /// An id that no node has had.
    pub(crate) fn unused_node(&self) -> NodeId {
        NodeId::new(self.next_node.fetch_add(1, Ordering::Relaxed))
    }

    /// Operators begin to remove a node.
    pub(crate) fn departs(&self, node: NodeId) {
        self.departing.lock().insert(node);
    }

    /// Nodes that operators have begun to remove and that are not gone yet.
    pub(crate) fn departing(&self) -> Vec<NodeId> {
        self.departing.lock().iter().copied().collect()
    }

    /// Whether three nodes stay when one more is removed. A removal whose answer was lost may still
    /// take effect.
    pub(crate) fn can_do_without(&self, node: NodeId) -> bool {
        let departing = self.departing.lock();
        let living = self.cluster.living();
        let staying = living.iter().filter(|it| it.node != node && !departing.contains(&it.node));
        staying.count() >= 3
    }

    /// A node that was removed is switched off.
    pub(crate) fn retire(&self, node: NodeId) {
        self.departing.lock().remove(&node);
        self.cluster.lose(node);
    }

    /// Waits until something holds, the time is over or the cluster is to heal.
    pub(crate) async fn await_until(&self, patience: Duration, mut holds: impl FnMut() -> bool) {
        let mut left = patience;
        while !holds() && !left.is_zero() && !self.is_healing() {
            let step = left.min(Duration::from_millis(50));
            sleep(step).await;
            left -= step;
        }
    }
}

/// How long disks take.
pub(crate) struct DiskTimes {
    /// A step's longest time when nothing is wrong, in microseconds.
    us_max: u64,
    /// What is added on some nodes, in milliseconds: at least and at most.
    slow: Mutex<BTreeMap<Cell, (u64, u64)>>,
}

impl DiskTimes {
    /// Disks without faults; from now on they determine how long workers take.
    pub(crate) fn install(us_max: u64) -> Arc<Self> {
        let times = Arc::new(Self { us_max, slow: Mutex::default() });
        let installed = times.clone();
        seam::set_blocking_time(move |worker| installed.step(worker));
        times
    }

    /// Makes a node's disk slow.
    pub(crate) fn slow_down(&self, cell: Cell, ms: (u64, u64)) {
        self.slow.lock().insert(cell, ms);
    }

    /// Ends that.
    pub(crate) fn recover(&self, cell: Cell) {
        self.slow.lock().remove(&cell);
    }

    fn step(&self, worker: &str) -> Duration {
        // Applying changes memory only.
        if worker == "state-apply" {
            return Duration::ZERO;
        }
        let mut random = thread_rng();
        let usual = Duration::from_micros(random.gen_range(0..=self.us_max));
        let slow = self.slow.lock().get(&madsim::plugin::node()).copied();
        match slow {
            Some((least, most)) => usual + Duration::from_millis(random.gen_range(least..=most)),
            None => usual,
        }
    }
}

//! What of a node outlives its processes: its disks, its papers and its clock.

use std::path::Path;
use std::sync::Arc;

use aspen_core::runtime::sim::{self, Skew, set_clock};
use aspen_core::{ClusterId, GroupRole, NodeId, NodeRecord};
use aspen_net::Ticket;
use aspen_node::compose::{ComposedNode, PeerSink};
use aspen_raft::Group;
use async_trait::async_trait;
use madsim::runtime::Handle;
use parking_lot::Mutex;

use super::disk::Platter;
use super::setup::StateKind;
use super::states::States;

/// How far a node has come into its cluster, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has no cluster.
    Outside,
    /// It makes itself the first member of a new one.
    Founding,
    /// It is in one.
    Member,
}

/// What a node keeps in the small files of its data directory.
#[derive(Clone, Debug)]
pub(crate) struct Papers {
    pub(crate) stage: Stage,
    pub(crate) cluster: ClusterId,
    pub(crate) peers: Vec<NodeRecord>,
}

/// What a node's process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Running {
    /// There is none.
    Down,
    /// It runs, or starts.
    Up,
    /// It is stopped in its tracks.
    Paused,
}

/// A node's machine.
pub(crate) struct Machine {
    pub(crate) node: NodeId,
    /// What the simulator kills and pauses.
    pub(crate) cell: sim::NodeId,
    pub(crate) platter: Platter,
    pub(crate) states: Mutex<States>,
    pub(crate) papers: Mutex<Papers>,
    status: Mutex<Status>,
}

struct Status {
    running: Running,
    /// Counts processes.
    boot: u64,
    /// The running process' node, once it is in its cluster.
    composed: Option<ComposedNode>,
    /// Why the running process could not start.
    boot_failure: Option<String>,
    /// Whether its disk is gone for good.
    lost: bool,
}

impl Machine {
    /// A machine that nothing runs on.
    pub(crate) fn new(node: NodeId, papers: Papers, kind: StateKind, root: &Path) -> Arc<Self> {
        let cell = Handle::current().create_node().name(format!("node-{node}")).build().id();
        let status = Status {
            running: Running::Down,
            boot: 0,
            composed: None,
            boot_failure: None,
            lost: false,
        };
        Arc::new(Self {
            node,
            cell,
            platter: Platter::new(node.get()),
            states: Mutex::new(States::new(kind, node, root)),
            papers: Mutex::new(papers),
            status: Mutex::new(status),
        })
    }

    pub(crate) fn running(&self) -> Running {
        self.status.lock().running
    }

    /// Whether its disk is gone for good, and the node with it.
    pub(crate) fn is_lost(&self) -> bool {
        self.status.lock().lost
    }

    /// The node in the running process, once it is in its cluster.
    pub(crate) fn composed(&self) -> Option<ComposedNode> {
        self.status.lock().composed.clone()
    }

    /// Why the running process could not start.
    pub(crate) fn boot_failure(&self) -> Option<String> {
        self.status.lock().boot_failure.clone()
    }

    /// Whether a fault has fired that the running process cannot outlive.
    pub(crate) fn is_stricken(&self) -> bool {
        self.platter.has_fired() || self.states.lock().power_has_failed()
    }

    /// Whether a group of the running process has failed.
    pub(crate) fn has_stopped_group(&self) -> bool {
        let stopped = |group: &Arc<Group>| group.metrics().role == GroupRole::Stopped;
        self.composed().is_some_and(|composed| composed.groups().iter().any(stopped))
    }

    /// A process starts; answers its number.
    pub(crate) fn starts(&self) -> u64 {
        let mut status = self.status.lock();
        status.running = Running::Up;
        status.boot_failure = None;
        status.boot += 1;
        status.boot
    }

    /// The process of that number is in its cluster.
    pub(crate) fn serves(&self, boot: u64, composed: ComposedNode) {
        let mut status = self.status.lock();
        if status.boot == boot && status.running != Running::Down {
            status.composed = Some(composed);
        }
    }

    /// The process of that number could not start.
    pub(crate) fn failed(&self, boot: u64, reason: String) {
        let mut status = self.status.lock();
        if status.boot == boot {
            status.boot_failure = Some(reason);
        }
    }

    /// The process has ended.
    pub(crate) fn ended(&self) {
        let mut status = self.status.lock();
        status.running = Running::Down;
        // Dropped after the lock: it may close much.
        let composed = status.composed.take();
        drop(status);
        drop(composed);
    }

    /// The disk is gone for good.
    pub(crate) fn lose(&self) {
        self.status.lock().lost = true;
    }

    /// Stops the process in its tracks.
    pub(crate) fn pause(&self) {
        let mut status = self.status.lock();
        if status.running == Running::Up {
            status.running = Running::Paused;
            Handle::current().pause(self.cell);
        }
    }

    /// Lets a paused process go on.
    pub(crate) fn resume(&self) {
        let mut status = self.status.lock();
        if status.running == Running::Paused {
            status.running = Running::Up;
            Handle::current().resume(self.cell);
        }
    }

    /// Changes how the machine's clocks run.
    pub(crate) fn set_clock(&self, skew: Skew) {
        set_clock(self.cell, skew);
    }
}

#[async_trait]
impl PeerSink for Machine {
    async fn save_peers(&self, peers: Vec<NodeRecord>) {
        self.papers.lock().peers = peers;
    }

    async fn save_ticket(&self, _ticket: Ticket) -> bool {
        true
    }
}

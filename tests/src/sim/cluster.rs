//! A cluster of simulated nodes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aspen_client::{Client, ClientOptions};
use aspen_core::runtime::sim::sleep;
use aspen_core::{ClusterId, GroupId, GroupMetrics, GroupRole, LogIndex, NodeId};
use aspen_net::{PeerAddress, Ticket};
use aspen_node::compose::{ComposedNode, GROUPS};
use aspen_raft::Group;
use madsim::runtime::Handle;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::machine::{Machine, Papers, Running, Stage};
use super::network::{ClientChannel, SimNetwork, record_of};
use super::oracle::Oracle;
use super::process::{Surroundings, node_id, start};
use super::setup::Setup;
use super::trace;

/// How a process ends when something ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Crash {
    /// Killed: what it wrote stays with the operating system.
    Killed,
    /// The machine lost its power: what was not synced is lost or torn.
    PowerFailed,
}

/// How often what has no notification is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The nodes, the network between them, and who may reach them.
pub(crate) struct SimCluster {
    pub(crate) setup: Arc<Setup>,
    pub(crate) network: Arc<SimNetwork>,
    machines: Mutex<BTreeMap<NodeId, Arc<Machine>>>,
    cluster: ClusterId,
    directory: PathBuf,
    pub(crate) oracle: Arc<Oracle>,
}

impl SimCluster {
    /// Starts the setup's nodes, with their files below a directory; the first founds the cluster,
    /// the others join it.
    pub(crate) fn start(setup: Arc<Setup>, directory: &Path) -> Arc<Self> {
        let cluster = Arc::new(Self {
            network: SimNetwork::new(setup.latency),
            machines: Mutex::default(),
            cluster: ClusterId::new([7; 16]),
            directory: directory.to_owned(),
            oracle: Oracle::new(),
            setup,
        });
        for number in 0..cluster.setup.nodes {
            cluster.add(node_id(number));
        }
        cluster
    }

    /// Adds a machine and starts its node.
    pub(crate) fn add(&self, node: NodeId) {
        let first = node == node_id(0);
        let papers = Papers {
            stage: if first { Stage::Founding } else { Stage::Outside },
            cluster: self.cluster,
            peers: vec![record_of(node)],
        };
        let kind = self.setup.state.clone();
        let machine = Machine::new(node, papers, kind, &self.directory);
        self.machines.lock().insert(node, machine);
        self.restart(node);
    }

    /// Every machine, those included that have lost their disk.
    pub(crate) fn machines(&self) -> Vec<Arc<Machine>> {
        self.machines.lock().values().cloned().collect()
    }

    /// The machines of nodes that may still serve.
    pub(crate) fn living(&self) -> Vec<Arc<Machine>> {
        self.machines().into_iter().filter(|machine| !machine.is_lost()).collect()
    }

    pub(crate) fn machine(&self, node: NodeId) -> Option<Arc<Machine>> {
        self.machines.lock().get(&node).cloned()
    }

    /// Ends a node's process.
    pub(crate) fn crash(&self, node: NodeId, how: Crash) {
        let Some(machine) = self.machine(node) else { return };
        if machine.running() == Running::Down {
            return;
        }
        trace::note("crash", format!("node {node} {how:?}"));
        self.stop_process(&machine, how);
    }

    /// Every process ends, for the run does.
    pub(crate) fn end(&self) {
        let machines = self.machines();
        let running = machines.iter().filter(|machine| machine.running() != Running::Down);
        running.for_each(|machine| self.stop_process(machine, Crash::Killed));
    }

    fn stop_process(&self, machine: &Machine, how: Crash) {
        // What is paused would not be dropped.
        machine.resume();
        // Destructors run, as they do in no process that is killed: keep them off the disks.
        machine.platter.fence();
        machine.states.lock().process_dies(how);
        Handle::current().kill(machine.cell);
        self.network.detach(machine.node);
        machine.ended();
        match how {
            Crash::Killed => machine.platter.process_died(),
            Crash::PowerFailed => machine.platter.power_failed(),
        }
    }

    /// Starts a node's process, when it has none and has a disk.
    pub(crate) fn restart(&self, node: NodeId) {
        let Some(machine) = self.machine(node) else { return };
        if machine.running() != Running::Down || machine.is_lost() {
            return;
        }
        trace::note("start", format!("node {node}"));
        let others = self.living().into_iter().filter(|other| other.node != node);
        let surroundings = Surroundings {
            setup: self.setup.clone(),
            network: self.network.clone(),
            oracle: self.oracle.clone(),
            contacts: others.map(|other| record_of(other.node)).collect(),
        };
        start(&machine, surroundings);
    }

    /// A node's disk is gone for good, and the node with it.
    pub(crate) fn lose(&self, node: NodeId) {
        if let Some(machine) = self.machine(node) {
            self.crash(node, Crash::PowerFailed);
            machine.lose();
        }
    }

    /// A client that knows every node.
    pub(crate) fn client(&self, number: u64) -> Client {
        self.client_with(number, self.setup.client.clone())
    }

    /// A client for operators.
    pub(crate) fn admin(&self, number: u64) -> Client {
        let options = ClientOptions { control_timeout_ms: 10_000, ..ClientOptions::default() };
        self.client_with(number, options)
    }

    fn client_with(&self, number: u64, options: ClientOptions) -> Client {
        let peers = self.living();
        let peers = peers.iter().map(|machine| PeerAddress::from(&record_of(machine.node)));
        let ticket = Ticket { cluster: self.cluster, peers: peers.collect(), grant: None };
        let channel = ClientChannel::new(self.network.clone(), number);
        Client::over(channel, ticket, options)
    }

    /// A group's replicas on the running nodes that are in the cluster.
    pub(crate) fn replicas(&self, group: GroupId) -> Vec<(NodeId, Arc<Group>)> {
        let composed = |machine: &Arc<Machine>| Some((machine.node, machine.composed()?));
        let nodes = self.living().iter().filter_map(composed).collect::<Vec<_>>();
        let replica = |(node, composed): (NodeId, ComposedNode)| {
            Some((node, composed.groups().into_iter().find(|found| found.id() == group)?))
        };
        nodes.into_iter().filter_map(replica).collect()
    }

    /// Who leads a group in the newest term that a running node knows of.
    pub(crate) fn leader(&self, group: GroupId) -> Option<NodeId> {
        let metrics = self.metrics(group);
        let newest = metrics.iter().map(|metrics| metrics.term).max()?;
        let leads =
            |metrics: &&GroupMetrics| metrics.role == GroupRole::Leader && metrics.term == newest;
        metrics.iter().find(leads).map(|metrics| metrics.node)
    }

    pub(crate) fn metrics(&self, group: GroupId) -> Vec<GroupMetrics> {
        self.replicas(group).iter().map(|(_, replica)| replica.metrics()).collect()
    }

    /// How every node is, for a person.
    pub(crate) fn describe(&self) -> String {
        let node = |it: &Arc<Machine>| {
            let (running, lost, failure) = (it.running(), it.is_lost(), it.boot_failure());
            let inside = it.composed().is_some();
            format!("node {}: {running:?}, inside {inside}, lost {lost}, {failure:?}", it.node)
        };
        let mut lines: Vec<String> = self.machines().iter().map(node).collect();
        for group in GROUPS {
            lines.extend(self.metrics(group).iter().map(describe_replica));
        }
        lines.join("\n")
    }

    /// Waits until something holds; answers whether it did in time.
    pub(crate) async fn wait_for(
        &self,
        patience: Duration,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> bool {
        let looks = (patience.as_millis() / LOOK_EVERY.as_millis()) as u64;
        for _ in 0..looks {
            if holds(self) {
                return true;
            }
            sleep(LOOK_EVERY).await;
        }
        holds(self)
    }
}

fn describe_replica(metrics: &GroupMetrics) -> String {
    let number = |index: Option<LogIndex>| index.map(LogIndex::get);
    let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.get()).collect::<Vec<u64>>();
    let GroupMetrics { group, node, role, term, leader, .. } = metrics;
    format!(
        "{group} on {node}: {role:?} of term {term}, leader {:?}, log {:?}, committed {:?}, \
         applied {:?}, snapshot {:?}, purged {:?}, voters {:?}, learners {:?}",
        leader.map(NodeId::get),
        number(metrics.last_log),
        number(metrics.committed),
        number(metrics.applied),
        number(metrics.snapshot),
        number(metrics.purged),
        ids(&metrics.voters),
        ids(&metrics.learners),
    )
}

//! A node's process, from its start to the moment when something kills it.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{GroupId, NodeId, NodeRecord};
use aspen_net::PeerAddress;
use aspen_node::compose::{
    ComposedNode, DiskLimits, DiskProbe, Entry, GROUPS, GroupParts, OpenNode, Parts, Settings,
    ask_to_join,
};
use aspen_storage::RedbLogStore;
use madsim::runtime::Handle;

use super::machine::{Machine, Stage};
use super::network::{Handlers, PeerTransport, SimLinks, SimNetwork, serve};
use super::observed_log::ObservedLog;
use super::observed_state::{ObservedState, place};
use super::oracle::{Oracle, Replica};
use super::setup::Setup;

/// How long a node may ask to be let in; longer than any fault lasts.
const JOIN_TIMEOUT: Duration = Duration::from_secs(120);

/// What a process starts with, besides its machine.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) setup: Arc<Setup>,
    pub(crate) network: Arc<SimNetwork>,
    pub(crate) oracle: Arc<Oracle>,
    /// Whom a new node asks to be let in.
    pub(crate) contacts: Vec<NodeRecord>,
}

/// Starts a process on a machine.
pub(crate) fn start(machine: &Arc<Machine>, surroundings: Surroundings) {
    let handle = Handle::current();
    // A fresh process: whatever the simulator ran there before is gone.
    handle.restart(machine.cell);
    let cell = handle.get_node(machine.cell).expect("the machine's node exists");
    let (machine, boot) = (machine.clone(), machine.starts());
    cell.spawn(async move {
        match run(&machine, &surroundings).await {
            Ok(composed) => machine.serves(boot, composed),
            Err(reason) => machine.failed(boot, reason),
        }
    });
}

async fn run(machine: &Arc<Machine>, around: &Surroundings) -> Result<ComposedNode, String> {
    let (node, network) = (machine.node, &around.network);
    let inbox = network.attach(node);
    let links = SimLinks::new(network.clone(), node);
    let open = open(machine, around, &links).await?;
    let entry = enter(machine, around, &links).await?;
    links.set_cluster(entry.cluster);
    let composed = open.enter(entry).await.map_err(|error| error.to_string())?;
    let (peers, requests) = (composed.peers(), composed.requests());
    let handlers = Handlers { peers, requests, oracle: around.oracle.clone() };
    aspen_core::runtime::spawn(serve(network.clone(), node, inbox, handlers));
    if machine.papers.lock().stage == Stage::Founding {
        composed.found().await.map_err(|error| error.to_string())?;
        machine.papers.lock().stage = Stage::Member;
    }
    composed.start_tasks(Some(machine.clone()));
    Ok(composed)
}

/// Opens the disks and this node's replica of every group.
async fn open(
    machine: &Arc<Machine>,
    around: &Surroundings,
    links: &Arc<SimLinks>,
) -> Result<OpenNode, String> {
    let log = RedbLogStore::open_on(machine.platter.open(), around.setup.log.clone())
        .map_err(|error| error.to_string())?;
    let mut groups = Vec::new();
    for group in GROUPS {
        groups.push(group_parts(machine, around, group, &log).await?);
    }
    let (network, node) = (around.network.clone(), machine.node);
    let parts = Parts {
        links: links.clone(),
        transport: Arc::new(PeerTransport { network, node }),
        log,
        groups,
        disk: Arc::new(Probe(machine.clone())),
    };
    OpenNode::open(settings(&around.setup), parts).await.map_err(|error| error.to_string())
}

/// One group's log and state, with the oracle looking on.
async fn group_parts(
    machine: &Arc<Machine>,
    around: &Surroundings,
    group: GroupId,
    log: &Arc<RedbLogStore>,
) -> Result<GroupParts, String> {
    let (replica, oracle) = (Replica { node: machine.node, group }, around.oracle.clone());
    let state = machine.states.lock().open(group).map_err(|error| error.to_string())?;
    let log = ObservedLog::open(log.group(group), state.clone(), replica, oracle.clone()).await;
    oracle.state_opened(replica, place(&state.applied()));
    let state = ObservedState::new(state, replica, oracle);
    Ok(GroupParts { group, log: log.map_err(|error| error.to_string())?, state })
}

fn settings(setup: &Setup) -> Settings {
    Settings {
        raft: setup.raft.clone(),
        disk: DiskLimits { warn_percent: 80, refuse_percent: 95 },
        disk_check_every: Duration::from_millis(500),
    }
}

/// The cluster that the node was in before, its own new one, or the one that lets it in.
async fn enter(
    machine: &Arc<Machine>,
    around: &Surroundings,
    links: &Arc<SimLinks>,
) -> Result<Entry, String> {
    let papers = machine.papers.lock().clone();
    if papers.stage != Stage::Outside {
        return Ok(Entry { cluster: papers.cluster, nodes: papers.peers });
    }
    let contacts: Vec<PeerAddress> = around.contacts.iter().map(PeerAddress::from).collect();
    let entry = ask_to_join(&**links, &contacts, papers.cluster, JOIN_TIMEOUT).await;
    let entry = entry.map_err(|error| error.to_string())?;
    let mut papers = machine.papers.lock();
    papers.peers.clone_from(&entry.nodes);
    papers.stage = Stage::Member;
    Ok(entry)
}

/// The node's disk as its guard sees it.
struct Probe(Arc<Machine>);

impl DiskProbe for Probe {
    fn used_percent(&self) -> std::io::Result<u8> {
        Ok(if self.0.platter.is_nearly_full() { 99 } else { 10 })
    }
}

/// The id of a node that a cluster starts with, counted from 0.
pub(crate) fn node_id(number: u64) -> NodeId {
    NodeId::new(number + 1)
}

//! Three simulated nodes that hold one group.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aspen_core::{
    ClusterController, Command, Consistency, EndpointKey, GroupId, GroupRole, Key, KeyValue,
    NodeId, NodeRecord, Operation, Proposal, ReadError, ReadRequest, Reply, Transaction, Value,
    WriteError, runtime,
};
use aspen_raft::{Group, RaftHost, RaftOptions};
use aspen_storage::{
    GroupLog, LogOptions, MemoryDisk, MemoryLogStore, MemoryStateMachine, RedbLogStore,
    SqliteStateMachine, StateMachine, StateOptions,
};
use madsim::runtime::Handle;

use crate::disk::SimDisk;
use crate::network::Network;
use crate::trace::Trace;

pub(crate) const GROUP: GroupId = GroupId::META;

/// Simulated time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What holds a node's log and state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stores {
    Memory,
    /// A redb log on a simulated disk, and SQLite files.
    Real,
}

/// What a node keeps across its restarts.
#[derive(Clone)]
enum Media {
    Memory { log: Arc<MemoryLogStore>, state: MemoryDisk },
    Real { log: SimDisk, dir: PathBuf },
}

impl Media {
    fn new(stores: Stores, dir: PathBuf) -> Self {
        std::fs::create_dir_all(&dir).unwrap();
        match stores {
            Stores::Memory => {
                Self::Memory { log: MemoryLogStore::new(), state: MemoryDisk::new(GROUP, dir) }
            }
            Stores::Real => Self::Real { log: SimDisk::default(), dir },
        }
    }

    fn open(&self) -> (Arc<dyn GroupLog>, Arc<dyn StateMachine>) {
        match self {
            Self::Memory { log, state } => (log.group(GROUP), MemoryStateMachine::open(state)),
            Self::Real { log, dir } => {
                let log = RedbLogStore::open_on(log.mount(), LogOptions::default()).unwrap();
                let options = StateOptions { flush_interval_ms: 700, ..StateOptions::default() };
                let state = SqliteStateMachine::open(dir, GROUP, options).unwrap();
                (log.group(GROUP), state)
            }
        }
    }
}

/// One simulated node.
struct SimNode {
    machine: madsim::task::NodeId,
    media: Media,
    /// `None` while it is down.
    running: Arc<Mutex<Option<Running>>>,
}

#[derive(Clone)]
struct Running {
    host: Arc<RaftHost>,
    group: Arc<Group>,
}

/// The nodes, seen by the one who runs the simulation.
pub(crate) struct Cluster {
    pub(crate) network: Network,
    pub(crate) trace: Trace,
    options: RaftOptions,
    nodes: BTreeMap<u64, SimNode>,
}

impl Cluster {
    /// Three nodes that have elected a leader.
    pub(crate) async fn new(stores: Stores, dir: &Path, options: RaftOptions) -> Self {
        let trace = Trace::default();
        let network = Network::new(trace.clone());
        let mut cluster = Self { network, trace, options, nodes: BTreeMap::new() };
        for id in 1..=3 {
            let machine = Handle::current().create_node().name(format!("node{id}")).build().id();
            let media = Media::new(stores, dir.join(id.to_string()));
            cluster.nodes.insert(id, SimNode { machine, media, running: Arc::default() });
            cluster.start(id).await;
        }
        let host = cluster.running(1).host;
        let members = (1..=3).map(record).collect();
        let initialized = cluster.on(1, async move { host.init(GROUP, members).await }).await;
        initialized.expect("the node lives").unwrap();
        cluster.leader_but(None).await;
        cluster
    }

    pub(crate) fn machine(&self, id: u64) -> madsim::task::NodeId {
        self.nodes[&id].machine
    }

    fn running(&self, id: u64) -> Running {
        self.nodes[&id].running.lock().unwrap().clone().expect("the node runs")
    }

    pub(crate) fn group(&self, id: u64) -> Arc<Group> {
        self.running(id).group
    }

    fn try_group(&self, id: u64) -> Option<Arc<Group>> {
        let running = self.nodes[&id].running.lock().unwrap();
        running.as_ref().map(|running| running.group.clone())
    }

    pub(crate) fn up(&self) -> Vec<u64> {
        let is_up = |node: &SimNode| node.running.lock().unwrap().is_some();
        self.nodes.iter().filter(|(_, node)| is_up(node)).map(|(id, _)| *id).collect()
    }

    /// Runs a future in a task of a node; `None` when the node is killed meanwhile.
    pub(crate) async fn on<T: Send + 'static>(
        &self,
        id: u64,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let node = Handle::current().get_node(self.machine(id)).unwrap();
        node.spawn(work).await.ok()
    }

    /// Starts a node: new, or again on what it has stored.
    pub(crate) async fn start(&self, id: u64) {
        let SimNode { media, running, .. } = &self.nodes[&id];
        let (media, running) = (media.clone(), running.clone());
        let (network, options) = (self.network.clone(), self.options.clone());
        self.trace.note(format!("start {id}"));
        self.on(id, async move {
            let node = NodeId::new(id);
            let host = RaftHost::new(node, network.transport(node), options);
            network.attach(node, host.clone());
            let (log, state) = media.open();
            let group = host.open_group(GROUP, log, state).await.unwrap();
            *running.lock().unwrap() = Some(Running { host, group });
        })
        .await
        .expect("the node lives");
    }

    /// Ends a node as `kill -9` would: its tasks go, and what its disk has not synced.
    pub(crate) async fn kill(&self, id: u64) {
        let node = &self.nodes[&id];
        self.trace.note(format!("kill {id}"));
        if let Media::Real { log, .. } = &node.media {
            log.crash();
        }
        Handle::current().kill(node.machine);
        node.running.lock().unwrap().take();
        // Its tasks are dropped when their turn comes.
        runtime::sleep(Duration::from_millis(10)).await;
    }

    /// Brings a killed node up again.
    pub(crate) async fn restart(&self, id: u64) {
        Handle::current().restart(self.machine(id));
        self.start(id).await;
    }

    /// Waits for a leader other than `not`, in the newest term among the nodes that are up.
    pub(crate) async fn leader_but(&self, not: Option<u64>) -> u64 {
        let found = runtime::timeout(PATIENCE, async {
            loop {
                let groups = (1..=3).filter_map(|id| self.try_group(id));
                let metrics: Vec<_> = groups.map(|group| group.metrics()).collect();
                let newest = metrics.iter().map(|metrics| metrics.term).max();
                let leads = metrics.iter().find(|metrics| {
                    metrics.role == GroupRole::Leader
                        && Some(metrics.term) == newest
                        && Some(metrics.node.get()) != not
                });
                if let Some(leads) = leads {
                    self.trace.note(format!("leader {} of term {}", leads.node, leads.term));
                    return leads.node.get();
                }
                runtime::sleep(Duration::from_millis(10)).await;
            }
        });
        found.await.expect("a leader is elected in time")
    }

    /// Writes at whoever leads until it succeeds.
    pub(crate) async fn put(&self, key: &str, value: &str) {
        let written = runtime::timeout(PATIENCE, async {
            loop {
                let leader = self.leader_but(None).await;
                match self.try_put(leader, key, value).await {
                    Ok(reply) => return self.trace.note(format!("put {key}={value}: {reply:?}")),
                    Err(error) => self.trace.note(format!("put {key}={value}: {error}")),
                }
                runtime::sleep(Duration::from_millis(20)).await;
            }
        });
        written.await.expect("the write succeeds in time");
    }

    /// Writes at a node, once.
    pub(crate) async fn try_put(
        &self,
        id: u64,
        key: &str,
        value: &str,
    ) -> Result<Reply, WriteError> {
        self.propose(id, put(key, value)).await.expect("the node lives")
    }

    /// Proposes at a node, once; `None` when the node is down or dies.
    pub(crate) async fn propose(
        &self,
        id: u64,
        proposal: Proposal,
    ) -> Option<Result<Reply, WriteError>> {
        let group = self.try_group(id)?;
        self.on(id, async move { group.propose(vec![proposal]).await.pop().unwrap() }).await
    }

    /// Reads at a node until it answers.
    pub(crate) async fn get(&self, id: u64, key: &str) -> Option<String> {
        let read = runtime::timeout(PATIENCE, async {
            loop {
                match self.try_get(id, key, Consistency::Linearizable).await {
                    Ok(value) => return value,
                    Err(error) => self.trace.note(format!("get {key}: {error}")),
                }
                runtime::sleep(Duration::from_millis(20)).await;
            }
        });
        let value = read.await.expect("the read succeeds in time");
        self.trace.note(format!("get {key} at {id}: {value:?}"));
        value
    }

    /// Reads at a node, once.
    pub(crate) async fn try_get(
        &self,
        id: u64,
        key: &str,
        consistency: Consistency,
    ) -> Result<Option<String>, ReadError> {
        let found = self.find(id, key, consistency).await.expect("the node lives")?;
        Ok(found.map(|found| text(&found)))
    }

    /// The entry of a key at a node, once; `None` when the node is down or dies.
    pub(crate) async fn find(
        &self,
        id: u64,
        key: &str,
        consistency: Consistency,
    ) -> Option<Result<Option<KeyValue>, ReadError>> {
        let (group, keys) = (self.try_group(id)?, vec![Key::try_from(key).unwrap()]);
        let request = ReadRequest { keys, consistency };
        let read = async move { group.read(vec![request]).await.pop().unwrap() };
        let reply = self.on(id, read).await?;
        Some(reply.map(|reply| reply.values.into_iter().next().unwrap()))
    }

    /// Kills every node, so that the simulation ends with nothing running.
    pub(crate) async fn end(&self) -> Trace {
        for id in self.up() {
            self.kill(id).await;
        }
        self.trace.clone()
    }
}

fn record(id: u64) -> NodeRecord {
    let mut endpoint = [0; 32];
    endpoint[0] = u8::try_from(id).unwrap();
    NodeRecord {
        id: NodeId::new(id),
        endpoint: EndpointKey::new(endpoint),
        addresses: vec![format!("10.0.0.{id}:1")],
    }
}

/// An entry's value as text.
pub(crate) fn text(entry: &KeyValue) -> String {
    String::from_utf8(entry.value.as_bytes().to_vec()).unwrap()
}

pub(crate) fn put(key: &str, value: &str) -> Proposal {
    let value = Value::new(value.as_bytes().to_vec()).unwrap();
    let success = vec![Operation::put(Key::try_from(key).unwrap(), value)];
    let command = Command::Transaction(Transaction { success, ..Transaction::default() });
    Proposal { session: None, command }
}

/// Runs a scenario as one simulation, on a thread of its own.
pub(crate) fn simulate<T, F>(seed: u64, scenario: impl FnOnce(PathBuf) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let run = move || {
        let config = madsim::Config::default();
        let runtime = madsim::runtime::Runtime::with_seed_and_config(seed, config);
        runtime.block_on(scenario(path))
    };
    #[allow(clippy::disallowed_methods, reason = "thread-local state of a run starts empty")]
    let result = std::thread::spawn(run).join();
    match result {
        Ok(result) => result,
        Err(panic) => {
            eprintln!("seed {seed} fails");
            std::panic::resume_unwind(panic)
        }
    }
}

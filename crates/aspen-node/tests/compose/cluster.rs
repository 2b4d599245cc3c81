//! Composed nodes of one cluster.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{ClusterId, ClusterStatus, GroupId, Key, NodeRecord, Value, runtime};
use aspen_net::PeerAddress;
use aspen_node::compose::{
    ComposedNode, DiskLimits, Entry, GROUPS, GroupParts, OpenNode, Parts, PeerSink, Settings,
    ask_to_join,
};
use aspen_raft::RaftOptions;
use aspen_storage::{LogOptions, MemoryDisk, MemoryStateMachine, RedbLogStore};

use crate::disk::{HalfFull, MemoryLogDisk};
use crate::memory_net::{MemoryLinks, MemoryNet};

/// How long anything may take; reached only when something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const CLUSTER: ClusterId = ClusterId::new([7; 16]);

/// What one node keeps while it does not run.
pub(crate) struct Machine {
    net: Arc<MemoryNet>,
    pub(crate) links: Arc<MemoryLinks>,
    log: Arc<MemoryLogDisk>,
    states: Vec<(GroupId, MemoryDisk)>,
}

/// A node that runs, and what to close after it.
pub(crate) struct Running {
    pub(crate) node: ComposedNode,
    net: Arc<MemoryNet>,
    log: Arc<RedbLogStore>,
}

impl Machine {
    pub(crate) fn new(net: &Arc<MemoryNet>, dir: &Path, id: u64) -> Self {
        let state = |group: GroupId| {
            let dir = dir.join(format!("{id}-{group}"));
            std::fs::create_dir_all(&dir).unwrap();
            (group, MemoryDisk::new(group, dir))
        };
        Self {
            net: net.clone(),
            links: MemoryLinks::new(net, id),
            log: Arc::default(),
            states: GROUPS.into_iter().map(state).collect(),
        }
    }

    async fn open(&self) -> (OpenNode, Arc<RedbLogStore>) {
        let log = RedbLogStore::open_on(self.log.clone(), LogOptions::default()).unwrap();
        let groups = self.states.iter().map(|(group, disk)| GroupParts {
            group: *group,
            log: log.group(*group),
            state: MemoryStateMachine::open(disk),
        });
        let parts = Parts {
            links: self.links.clone(),
            transport: self.links.clone(),
            log: log.clone(),
            groups: groups.collect(),
            disk: Arc::new(HalfFull),
        };
        (OpenNode::open(settings(), parts).await.unwrap(), log)
    }

    async fn enter(&self, open: OpenNode, log: Arc<RedbLogStore>, entry: Entry) -> Running {
        let node = open.enter(entry).await.unwrap();
        self.net.serve(&self.links, &node);
        Running { node, net: self.net.clone(), log }
    }

    /// Starts a new cluster.
    pub(crate) async fn found(&self, sink: Option<Arc<dyn PeerSink>>) -> Running {
        let (open, log) = self.open().await;
        let entry = Entry { cluster: CLUSTER, nodes: vec![self.record()] };
        let running = self.enter(open, log, entry).await;
        running.node.found().await.unwrap();
        running.node.start_tasks(sink);
        running
    }

    /// Joins the cluster of another node.
    pub(crate) async fn join(&self, member: &Running) -> Running {
        let (open, log) = self.open().await;
        let peers = [PeerAddress::from(&member.node.record())];
        let entry = ask_to_join(&*self.links, &peers, CLUSTER, PATIENCE).await.unwrap();
        let running = self.enter(open, log, entry).await;
        running.node.start_tasks(None);
        running
    }

    /// Goes on where it was.
    pub(crate) async fn restart(&self, nodes: Vec<NodeRecord>) -> Running {
        let (open, log) = self.open().await;
        let running = self.enter(open, log, Entry { cluster: CLUSTER, nodes }).await;
        running.node.start_tasks(None);
        running
    }

    fn record(&self) -> NodeRecord {
        use aspen_node::compose::Links;
        self.links.record()
    }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.node.stop().await;
        self.net.unplug(self.node.id());
        self.log.close().await.unwrap();
    }

    /// Asks until the status is as wished.
    pub(crate) async fn status_until(&self, wished: impl Fn(&ClusterStatus) -> bool) {
        let waited = runtime::timeout(PATIENCE, async {
            loop {
                match self.node.client().status().await {
                    Ok(status) if wished(&status) => return,
                    _ => runtime::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        if waited.await.is_err() {
            panic!("the status stays {:#?}", self.node.client().status().await);
        }
    }

    pub(crate) async fn set(&self, at: &str, to: &str) {
        let value = Value::try_from(to).unwrap();
        self.node.store().set(key(at), value).await.unwrap();
    }

    pub(crate) async fn get(&self, at: &str) -> Option<Value> {
        self.node.store().get(key(at)).await.unwrap().map(|entry| entry.value)
    }
}

/// Whether these nodes, and no others, vote in every group.
pub(crate) fn voters(wanted: &'static [u64]) -> impl Fn(&ClusterStatus) -> bool {
    move |status| {
        status.groups.iter().all(|group| {
            let mut voters: Vec<u64> = group.metrics.voters.iter().map(|id| id.get()).collect();
            voters.sort_unstable();
            voters == wanted && group.metrics.learners.is_empty()
        })
    }
}

fn settings() -> Settings {
    Settings {
        raft: RaftOptions {
            heartbeat_ms: 50,
            election_ms_min: 250,
            election_ms_max: 500,
            ..RaftOptions::default()
        },
        disk: DiskLimits { warn_percent: 80, refuse_percent: 95 },
        disk_check_every: Duration::from_secs(1),
    }
}

fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

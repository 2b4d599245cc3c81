//! Nodes of a group in one process, over stores that survive their restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use aspen_core::{
    ClusterController, Command, Consistency, ControlError, EndpointKey, ErrorKind, GroupId,
    GroupMetrics, GroupRole, Key, KeyRange, KeyValue, LogIndex, NodeId, NodeRecord, Operation,
    PeerHandler, Proposal, ReadError, ReadReply, ReadRequest, Reply, ScanRequest, SessionStamp,
    Transaction, TransactionOutcome, Value, WriteError, runtime,
};
use aspen_raft::{Group, RaftHost, RaftOptions};
use aspen_storage::{MemoryDisk, MemoryLogStore, MemoryStateMachine};
use tempfile::TempDir;

use crate::network::TestNetwork;

pub(crate) const GROUP: GroupId = GroupId::META;

/// How long anything may take before a test gives up. Nothing waits this long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn options() -> RaftOptions {
    RaftOptions {
        heartbeat_ms: 150,
        election_ms_min: 600,
        election_ms_max: 1_200,
        vote_timeout_ms: 200,
        append_timeout_ms: 1_000,
        ..RaftOptions::default()
    }
}

/// Times that a busy machine keeps: for tests in which nobody may campaign without a reason.
pub(crate) fn patient() -> RaftOptions {
    RaftOptions { election_ms_min: 2_000, election_ms_max: 4_000, ..options() }
}

pub(crate) fn record(id: u64) -> NodeRecord {
    let mut endpoint = [0; 32];
    endpoint[0] = id as u8;
    NodeRecord {
        id: NodeId::new(id),
        endpoint: EndpointKey::new(endpoint),
        addresses: vec![format!("127.0.0.1:{id}")],
    }
}

struct Disk {
    log: Arc<MemoryLogStore>,
    state: MemoryDisk,
    _dir: TempDir,
}

impl Disk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = MemoryDisk::new(GROUP, dir.path());
        Self { log: MemoryLogStore::new(), state, _dir: dir }
    }
}

pub(crate) struct Cluster {
    pub(crate) network: Arc<TestNetwork>,
    options: RaftOptions,
    disks: BTreeMap<u64, Disk>,
    hosts: BTreeMap<u64, Arc<RaftHost>>,
}

impl Cluster {
    /// Nodes `1..=count`, started and initialised, with a leader. All of them know that they are
    /// voters: one that is cut off before it heard so would never campaign.
    pub(crate) async fn new(count: u64, options: RaftOptions) -> Self {
        let cluster = Self::started(count, options).await;
        cluster.host(1).init(GROUP, (1..=count).map(record).collect()).await.unwrap();
        cluster.leader().await;
        for id in cluster.ids() {
            cluster.wait(id, |metrics| !metrics.voters.is_empty()).await;
        }
        cluster
    }

    /// Nodes `1..=voters` as [`Cluster::new`] has them, and as many learners after them.
    pub(crate) async fn with_learners(voters: u64, learners: u64, options: RaftOptions) -> Self {
        let mut cluster = Self::new(voters, options).await;
        let leader = cluster.leader().await;
        for id in voters + 1..=voters + learners {
            cluster.start(id).await;
            cluster.host(leader).add_learner(GROUP, record(id)).await.unwrap();
        }
        cluster
    }

    /// Nodes `1..=count`, started and strangers to each other.
    pub(crate) async fn started(count: u64, options: RaftOptions) -> Self {
        let mut cluster = Self {
            network: TestNetwork::new(),
            options,
            disks: BTreeMap::new(),
            hosts: BTreeMap::new(),
        };
        for id in 1..=count {
            cluster.start(id).await;
        }
        cluster
    }

    /// Takes a stopped node's disk away: it starts as a new one.
    pub(crate) fn lose_disk(&mut self, id: u64) {
        assert!(!self.hosts.contains_key(&id), "the node runs");
        self.disks.remove(&id);
    }

    /// Waits until all running nodes have applied the same, and compares what they hold.
    pub(crate) async fn level(&self) {
        let last = self.end(self.leader().await);
        let mut contents = BTreeMap::new();
        for id in self.ids() {
            self.wait(id, |metrics| metrics.applied >= last).await;
            contents.insert(id, dump(&self.group(id)).await);
        }
        let first = contents.first_key_value().unwrap().1;
        assert!(contents.values().all(|other| other == first), "{contents:#?}");
    }

    /// Where a node's log ends. A write may be answered just before the metrics show its entry,
    /// so what is applied counts as well.
    pub(crate) fn end(&self, id: u64) -> Option<LogIndex> {
        let group = self.group(id);
        let applied = group.state().applied().position.map(|position| position.index);
        group.metrics().last_log.max(applied)
    }

    /// Starts a node: new, or again on what it has stored.
    pub(crate) async fn start(&mut self, id: u64) -> Arc<Group> {
        let disk = self.disks.entry(id).or_insert_with(Disk::new);
        let node = NodeId::new(id);
        let host = RaftHost::new(node, self.network.transport(node), self.options.clone());
        let handler: Arc<dyn PeerHandler> = host.clone();
        let handler: Weak<dyn PeerHandler> = Arc::downgrade(&handler);
        self.network.attach(node, handler);
        let state = MemoryStateMachine::open(&disk.state);
        let group = host.open_group(GROUP, disk.log.group(GROUP), state).await.unwrap();
        self.hosts.insert(id, host);
        group
    }

    pub(crate) async fn stop(&mut self, id: u64) {
        self.network.detach(NodeId::new(id));
        let host = self.hosts.remove(&id).unwrap();
        host.shutdown().await;
    }

    pub(crate) fn host(&self, id: u64) -> &Arc<RaftHost> {
        &self.hosts[&id]
    }

    pub(crate) fn group(&self, id: u64) -> Arc<Group> {
        self.host(id).group(GROUP).unwrap()
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        self.hosts.keys().copied().collect()
    }

    /// Waits for a leader among the running nodes.
    pub(crate) async fn leader(&self) -> u64 {
        self.leader_but(None).await
    }

    /// Waits for a leader other than `not`, in the newest term that anyone has seen.
    pub(crate) async fn leader_but(&self, not: Option<u64>) -> u64 {
        let found = runtime::timeout(PATIENCE, async {
            loop {
                let metrics: Vec<GroupMetrics> =
                    self.ids().into_iter().map(|id| self.group(id).metrics()).collect();
                let newest = metrics.iter().map(|metrics| metrics.term).max();
                let leader = metrics.iter().find(|metrics| {
                    metrics.role == GroupRole::Leader
                        && Some(metrics.term) == newest
                        && Some(metrics.node.get()) != not
                });
                if let Some(leader) = leader {
                    return leader.node.get();
                }
                runtime::sleep(Duration::from_millis(5)).await;
            }
        });
        found.await.expect("a leader is elected in time")
    }

    /// Sends the leadership to a node until it is there: on a busy machine its votes may come late,
    /// and one that has just started asks for none for a while.
    pub(crate) async fn send_leadership(&self, target: u64) {
        let moved = runtime::timeout(PATIENCE, async {
            loop {
                let leader = self.leader().await;
                match self.host(leader).transfer_leader(GROUP, NodeId::new(target)).await {
                    Ok(()) => return,
                    Err(ControlError::Timeout(_) | ControlError::NotLeader(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        moved.await.expect("leadership moves in time");
    }

    /// Has the leader write a snapshot and forget the log before it; answers up to where.
    pub(crate) async fn shorten_log(&self) -> Option<LogIndex> {
        let leader = self.leader().await;
        let applied = self.group(leader).metrics().applied;
        self.host(leader).trigger_snapshot(GROUP).await.unwrap();
        self.wait(leader, |metrics| metrics.purged >= applied).await;
        applied
    }

    pub(crate) async fn follower(&self) -> u64 {
        let leader = self.leader().await;
        self.ids().into_iter().find(|id| *id != leader).unwrap()
    }

    /// Writes until it succeeds, at whoever leads.
    pub(crate) async fn put(&self, key: &str, value: &str) -> TransactionOutcome {
        let written = runtime::timeout(PATIENCE, async {
            loop {
                let leader = self.leader().await;
                if let Ok(outcome) = write(&self.group(leader), put(key, value)).await {
                    return outcome;
                }
                runtime::sleep(Duration::from_millis(20)).await;
            }
        });
        written.await.expect("the write succeeds in time")
    }

    pub(crate) async fn wait(&self, id: u64, what: impl Fn(&GroupMetrics) -> bool) -> GroupMetrics {
        match self.group(id).wait_metrics(PATIENCE, what).await {
            Ok(metrics) => metrics,
            Err(_) => panic!("not in time: {:?}", self.group(id).metrics()),
        }
    }

    pub(crate) async fn wait_voters(&self, id: u64, voters: &[u64]) {
        let voters: BTreeSet<NodeId> = voters.iter().copied().map(NodeId::new).collect();
        self.wait(id, |metrics| metrics.voters.iter().copied().collect::<BTreeSet<_>>() == voters)
            .await;
    }
}

/// Everything that a replica holds: key, value and version.
pub(crate) async fn dump(group: &Group) -> Vec<(String, Vec<u8>, u64)> {
    let mut request = ScanRequest::new(KeyRange::all());
    request.consistency = Consistency::Stale;
    let mut found = Vec::new();
    loop {
        let page = group.scan(request.clone()).await.unwrap();
        found.extend(
            page.entries.into_iter().map(|entry| {
                (entry.key.to_string(), entry.value.as_bytes().to_vec(), entry.version)
            }),
        );
        match page.cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return found,
        }
    }
}

pub(crate) fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

pub(crate) fn put(key_text: &str, value: &str) -> Proposal {
    let value = Value::new(value.as_bytes().to_vec()).unwrap();
    let success = vec![Operation::put(key(key_text), value)];
    let command = Command::Transaction(Transaction { success, ..Transaction::default() });
    Proposal { session: None, command }
}

pub(crate) fn stamped(mut proposal: Proposal, stamp: SessionStamp) -> Proposal {
    proposal.session = Some(stamp);
    proposal
}

pub(crate) async fn write(
    group: &Group,
    proposal: Proposal,
) -> Result<TransactionOutcome, WriteError> {
    match propose(group, proposal).await? {
        Reply::Transaction(outcome) => Ok(outcome),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn propose(group: &Group, proposal: Proposal) -> Result<Reply, WriteError> {
    group.propose(vec![proposal]).await.pop().unwrap()
}

pub(crate) async fn read(
    group: &Group,
    key_text: &str,
    consistency: Consistency,
) -> Result<ReadReply, ReadError> {
    let request = ReadRequest { keys: vec![key(key_text)], consistency };
    group.read(vec![request]).await.pop().unwrap()
}

/// The value of a key as text. Asks again while the group is between leaders.
pub(crate) async fn get(group: &Group, key_text: &str, consistency: Consistency) -> Option<String> {
    let found = find(group, key_text, consistency).await?;
    Some(String::from_utf8(found.value.as_bytes().to_vec()).unwrap())
}

/// The entry of a key. Asks again while the group is between leaders.
pub(crate) async fn find(
    group: &Group,
    key_text: &str,
    consistency: Consistency,
) -> Option<KeyValue> {
    let reply = runtime::timeout(PATIENCE, async {
        loop {
            match read(group, key_text, consistency).await {
                Ok(reply) => return reply,
                Err(error) => match error.kind() {
                    ErrorKind::Refresh | ErrorKind::Retry | ErrorKind::Unavailable => {
                        runtime::sleep(Duration::from_millis(20)).await;
                    }
                    _ => panic!("{error}"),
                },
            }
        }
    });
    reply.await.expect("the read succeeds in time").values.into_iter().next().unwrap()
}

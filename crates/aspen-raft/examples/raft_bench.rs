//! Measures consensus alone: nodes in one process, an in-memory network, the log on disk, the state
//! machine in memory.
//!
//! `cargo run --release -p aspen-raft --example raft_bench [DIR] [SECONDS]` prints a line per run:
//! nodes, what is done, callers, operations a second, p50 and p99 in microseconds. DIR should be on
//! the disk that is of interest; the default is the system's temporary directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../tests/raft/network.rs"]
mod network;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use aspen_core::{
    ClusterController, Command, EndpointKey, GroupId, GroupRole, Key, NodeId, NodeRecord,
    Operation, PeerHandler, Proposal, ReadRequest, Transaction, Value, runtime,
};
use aspen_raft::{Group, RaftHost, RaftOptions};
use aspen_storage::{LogOptions, MemoryStateMachine, RedbLogStore};
use network::TestNetwork;

const GROUP: GroupId = GroupId::META;
const KEYS: u64 = 10_000;
const VALUE_BYTES: usize = 256;

#[derive(Clone, Copy, Debug)]
enum Workload {
    Put,
    Read,
}

struct Nodes {
    leader: Arc<Group>,
    hosts: Vec<Arc<RaftHost>>,
    stores: Vec<Arc<RedbLogStore>>,
}

async fn start(dir: &Path, count: u64) -> Nodes {
    let network = TestNetwork::new();
    let (mut hosts, mut stores) = (Vec::new(), Vec::new());
    for id in 1..=count {
        let dir = dir.join(format!("node-{count}-{id}"));
        std::fs::create_dir_all(&dir).unwrap();
        let node = NodeId::new(id);
        let host = RaftHost::new(node, network.transport(node), RaftOptions::default());
        let handler: Arc<dyn PeerHandler> = host.clone();
        let handler: Weak<dyn PeerHandler> = Arc::downgrade(&handler);
        network.attach(node, handler);
        let store = RedbLogStore::open(&dir.join("log.redb"), LogOptions::default()).unwrap();
        let state = MemoryStateMachine::new(GROUP, dir);
        host.open_group(GROUP, store.group(GROUP), state).await.unwrap();
        hosts.push(host);
        stores.push(store);
    }
    let members = (1..=count).map(|id| NodeRecord {
        id: NodeId::new(id),
        endpoint: EndpointKey::new([0; 32]),
        addresses: Vec::new(),
    });
    hosts[0].init(GROUP, members.collect()).await.unwrap();
    let first = hosts[0].group(GROUP).unwrap();
    let metrics = first.wait_metrics(Duration::from_secs(30), |metrics| metrics.leader.is_some());
    let leader = metrics.await.unwrap().leader.unwrap();
    let leader = hosts[leader.get() as usize - 1].group(GROUP).unwrap();
    let leads = leader.wait_metrics(Duration::from_secs(30), |m| m.role == GroupRole::Leader);
    leads.await.unwrap();
    Nodes { leader, hosts, stores }
}

fn key(random: u64) -> Key {
    Key::try_from(format!("key{:08}", random % KEYS).as_str()).unwrap()
}

async fn operate(group: &Group, workload: Workload, value: &Value) {
    let key = key(runtime::random_u64());
    match workload {
        Workload::Put => {
            let success = vec![Operation::put(key, value.clone())];
            let command = Command::Transaction(Transaction { success, ..Default::default() });
            let mut results = group.propose(vec![Proposal { session: None, command }]).await;
            results.pop().unwrap().expect("the write succeeds");
        }
        Workload::Read => {
            let mut results = group.read(vec![ReadRequest::one(key)]).await;
            results.pop().unwrap().expect("the read succeeds");
        }
    }
}

async fn measure(nodes: &Nodes, workload: Workload, callers: usize, seconds: f64) {
    let start = runtime::now();
    let end = start + Duration::from_secs_f64(seconds);
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let group = nodes.leader.clone();
            runtime::spawn(async move {
                let value = Value::new(vec![7; VALUE_BYTES]).unwrap();
                let mut latencies = Vec::new();
                let mut now = runtime::now();
                while now < end {
                    operate(&group, workload, &value).await;
                    let done = runtime::now();
                    latencies.push((done - now).as_nanos() as u64);
                    now = done;
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    let elapsed = (runtime::now() - start).as_secs_f64();
    latencies.sort_unstable();
    let percentile = |part: usize| latencies[latencies.len() * part / 100] / 1_000;
    println!(
        "nodes {} {workload:?} callers {callers:>3}: {:>9.0} op/s  p50 {:>6} us  p99 {:>6} us",
        nodes.hosts.len(),
        latencies.len() as f64 / elapsed,
        percentile(50),
        percentile(99),
    );
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().map_or(3.0, |text| text.parse().expect("SECONDS is a number"));
    let dir = dir.join(format!("raft-bench-{:x}", runtime::random_u64()));
    for count in [1, 3] {
        let nodes = start(&dir, count).await;
        for workload in [Workload::Put, Workload::Read] {
            for callers in [1, 64, 256] {
                measure(&nodes, workload, callers, seconds).await;
            }
        }
        for host in &nodes.hosts {
            host.shutdown().await;
        }
        for store in &nodes.stores {
            store.close().await.unwrap();
        }
    }
    std::fs::remove_dir_all(dir).unwrap();
}

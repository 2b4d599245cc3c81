//! Writers and readers under random crashes, cuts, losses and slow disks.
//!
//! Every writer has a key of its own and writes 0, 1, 2, …, each with a session stamp and until it
//! is acknowledged. So after the acknowledgement of `n` a linearizable read anywhere must find `n`,
//! at version `n + 1`: nothing lost, nothing twice. At the end all replicas hold the same.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aspen_core::runtime::sim::{buggify_everywhere, buggify_nowhere, set_blocking_time};
use aspen_core::{
    ClientId, Command, Consistency, KeyRange, NodeId, Proposal, Reply, ScanRequest, SessionStamp,
    runtime,
};
use aspen_raft::RaftOptions;

use crate::cluster::{Cluster, Stores, put, text};
use crate::trace::Trace;

/// How many faults a storm has.
const FAULTS: u64 = 30;

const WRITERS: u8 = 5;

/// How long everything may take to heal, in simulated time.
const HEALING: Duration = Duration::from_secs(120);

fn random_below(end: u64) -> u64 {
    runtime::random_u64() % end
}

async fn pause(ms_max: u64) {
    runtime::sleep(Duration::from_millis(1 + random_below(ms_max))).await;
}

fn options() -> RaftOptions {
    RaftOptions {
        log_bytes_kept: 8 * 1024,
        proposal_timeout_ms: 2_000,
        // Messages are lost here one by one; see `seeds`.
        install_timeout_ms: 10_000,
        ..RaftOptions::default()
    }
}

/// Runs one storm; answers what went wrong, if anything.
pub(crate) async fn storm(stores: Stores, dir: PathBuf) -> (Trace, Result<(), String>) {
    let cluster = Arc::new(Cluster::new(stores, &dir, options()).await);
    buggify_everywhere(0.3, 0.05);
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        let writer = Writer::new(cluster.clone(), number);
        writers.push(runtime::spawn(writer.run(stop.clone())));
    }
    rage(&cluster).await;
    stop.store(true, Ordering::Relaxed);
    let result = judge(&cluster, writers).await;
    cluster.trace.note(format!("{result:?}"));
    (cluster.end().await, result)
}

/// The writers' own verdicts, then the replicas'.
async fn judge(
    cluster: &Cluster,
    writers: Vec<runtime::JoinHandle<Result<(), String>>>,
) -> Result<(), String> {
    for writer in writers {
        match runtime::timeout(HEALING, writer).await {
            Ok(ended) => ended.map_err(|error| error.to_string())??,
            Err(_) => return Err("a writer is not served after the storm".to_owned()),
        }
    }
    same_replicas(cluster).await
}

/// One fault after another; at the end everything is whole again.
async fn rage(cluster: &Cluster) {
    let disks = Disks::install();
    for _ in 0..FAULTS {
        let id = 1 + random_below(3);
        match random_below(8) {
            0 | 1 => crash(cluster, &[id]).await,
            2 => crash(cluster, &[1, 2, 3]).await,
            3 => cut(cluster, id).await,
            4 => {
                cluster.network.set_lost_percent(random_below(20));
                pause(4_000).await;
                cluster.network.set_lost_percent(0);
            }
            _ => disks.change(cluster.machine(id)),
        }
        pause(3_000).await;
    }
    disks.heal();
    buggify_nowhere();
}

async fn cut(cluster: &Cluster, id: u64) {
    cluster.network.isolate(NodeId::new(id), true);
    pause(8_000).await;
    cluster.network.isolate(NodeId::new(id), false);
}

/// How slow each node's disk is: the longest step of the log's writer and of everything else, in
/// microseconds. They differ, so that a log can lag far behind the state and the other logs.
#[derive(Clone, Default)]
struct Disks {
    slow: Rc<RefCell<BTreeMap<madsim::task::NodeId, (u64, u64)>>>,
}

const FAST_US: u64 = 2_000;

impl Disks {
    fn install() -> Self {
        let disks = Self::default();
        let slow = disks.slow.clone();
        set_blocking_time(move |worker| {
            let slow = slow.borrow().get(&madsim::plugin::node()).copied();
            let (log_us, other_us) = slow.unwrap_or((FAST_US, FAST_US));
            let most_us = if worker == "aspen-log" { log_us } else { other_us };
            Duration::from_micros(random_below(most_us))
        });
        disks
    }

    fn change(&self, node: madsim::task::NodeId) {
        let times_us = [
            (FAST_US, FAST_US),
            (400_000, 400_000),
            (400_000, FAST_US),
            (3_000_000, FAST_US),
            (15_000_000, FAST_US),
        ];
        let times_us = times_us[random_below(5) as usize];
        self.slow.borrow_mut().insert(node, times_us);
    }

    fn heal(&self) {
        self.slow.borrow_mut().clear();
    }
}

async fn crash(cluster: &Cluster, ids: &[u64]) {
    for id in ids {
        cluster.kill(*id).await;
        pause(50).await;
    }
    pause(5_000).await;
    for id in ids {
        cluster.restart(*id).await;
    }
}

/// A client with a session and a key of its own.
struct Writer {
    cluster: Arc<Cluster>,
    client: ClientId,
    key: String,
}

impl Writer {
    fn new(cluster: Arc<Cluster>, number: u8) -> Self {
        Self { cluster, client: ClientId::new([number + 1; 16]), key: format!("writer{number}") }
    }

    async fn run(self, stop: Arc<AtomicBool>) -> Result<(), String> {
        let command = Command::OpenSession { client: self.client };
        self.settle(Proposal { session: None, command }).await;
        let mut sequence = 0;
        while !stop.load(Ordering::Relaxed) {
            self.write(sequence).await?;
            self.read(sequence).await?;
            pause(100).await;
            sequence += 1;
        }
        Ok(())
    }

    async fn write(&self, sequence: u64) -> Result<(), String> {
        let stamp = SessionStamp { client: self.client, sequence, settled_below: sequence };
        let proposal = put(&self.key, &sequence.to_string());
        let reply = self.settle(Proposal { session: Some(stamp), ..proposal }).await;
        self.cluster.trace.note(format!("{} wrote {sequence}: {reply:?}", self.key));
        match reply {
            Reply::Transaction(outcome) if outcome.succeeded => Ok(()),
            other => Err(format!("{} {sequence}: {other:?}", self.key)),
        }
    }

    /// Retries the same proposal at one node after another until one answers.
    async fn settle(&self, proposal: Proposal) -> Reply {
        loop {
            let id = 1 + random_below(3);
            if let Some(Ok(reply)) = self.cluster.propose(id, proposal.clone()).await {
                return reply;
            }
            pause(100).await;
        }
    }

    /// Reads the key anywhere, and compares it with what was acknowledged last.
    async fn read(&self, acknowledged: u64) -> Result<(), String> {
        let id = 1 + random_below(3);
        let read = self.cluster.find(id, &self.key, Consistency::Linearizable).await;
        let Some(Ok(found)) = read else { return Ok(()) };
        let found = found.map(|found| (text(&found), found.version));
        let expected = Some((acknowledged.to_string(), acknowledged + 1));
        match found == expected {
            true => Ok(()),
            false => Err(format!("{} at {id}: {found:?}, not {expected:?}", self.key)),
        }
    }
}

/// Waits until all replicas have applied the same, and compares what they hold.
pub(crate) async fn same_replicas(cluster: &Cluster) -> Result<(), String> {
    // What the state machines say: consensus reports it a moment later.
    let at = |id: u64| cluster.group(id).state().applied().position.map(|at| at.index);
    let level = runtime::timeout(HEALING, async {
        while at(1) != at(2) || at(2) != at(3) {
            runtime::sleep(Duration::from_millis(50)).await;
        }
    });
    level.await.map_err(|_| format!("applied {:?}, {:?}, {:?}", at(1), at(2), at(3)))?;
    let first = contents(cluster, 1).await?;
    for id in [2, 3] {
        let other = contents(cluster, id).await?;
        if other != first {
            return Err(format!("node 1 holds {first:?}, node {id} {other:?}"));
        }
    }
    Ok(())
}

/// Everything that a replica holds, and whether its stored state is sound.
async fn contents(cluster: &Cluster, id: u64) -> Result<String, String> {
    let group = cluster.group(id);
    let read = async move {
        let mut request = ScanRequest::new(KeyRange::all());
        request.consistency = Consistency::Stale;
        let page = group.scan(request).await.map_err(|error| error.to_string())?;
        group.state().flush().await.map_err(|error| error.to_string())?;
        let faults = group.state().check_integrity().await.map_err(|error| error.to_string())?;
        match faults.is_empty() {
            true => Ok(format!("{page:?}")),
            false => Err(format!("node {id}: {faults:?}")),
        }
    };
    cluster.on(id, read).await.expect("the node lives")
}

//! Looks for stale reads: a key that is written again and again, and readers who compare the
//! revision of what they read with what was acknowledged before they asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aspen_client::Client;
use aspen_core::{Consistency, Key, KeyValueStore, ReadRequest, Value};
use aspen_tests::ProcessCluster;
use tokio::task::JoinHandle;

use crate::only_node::only_node;

/// How long the key may take to be written or a reader to be answered: many elections.
const PATIENCE: Duration = Duration::from_secs(60);

fn key() -> Key {
    Key::try_from("probe").unwrap()
}

/// A key that is written through any node and read through one.
pub(crate) struct Probe {
    shared: Arc<Shared>,
    clients: Vec<Client>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// The last revision at which a write was acknowledged.
    acknowledged: AtomicU64,
    /// How many were.
    written: AtomicU64,
    /// How many reads the one node answered, and how many it refused or left open.
    answered: AtomicU64,
    refused: AtomicU64,
    /// The freshest revision that it gave.
    seen: AtomicU64,
    stop: AtomicBool,
}

impl Probe {
    /// Begins to write through any node and to read through one.
    pub(crate) async fn start(cluster: &ProcessCluster, node: u64) -> Self {
        let shared = Arc::<Shared>::default();
        let writer = cluster.client().await;
        let mut probe =
            Self { shared: shared.clone(), clients: vec![writer.clone()], tasks: vec![] };
        probe.tasks.push(tokio::spawn(write(writer, shared.clone())));
        for consistency in [Consistency::Linearizable, Consistency::Lease] {
            let reader = only_node(cluster, node).await;
            probe.clients.push(reader.clone());
            probe.tasks.push(tokio::spawn(read(reader, consistency, shared.clone())));
        }
        probe
    }

    /// Waits until some more writes were acknowledged.
    pub(crate) async fn more_writes(&self, cluster: &ProcessCluster) {
        let target = self.shared.written.load(Ordering::SeqCst) + 20;
        let reached = || self.shared.written.load(Ordering::SeqCst) >= target;
        self.until(cluster, "writes", reached).await;
    }

    /// Waits until the one node has answered or refused some more reads.
    pub(crate) async fn more_reads(&self, cluster: &ProcessCluster) {
        let heard = || {
            self.shared.answered.load(Ordering::SeqCst) + self.shared.refused.load(Ordering::SeqCst)
        };
        let target = heard() + 6;
        self.until(cluster, "reads", || heard() >= target).await;
    }

    /// Waits until the one node gives what was written after this call.
    pub(crate) async fn fresh_read(&self, cluster: &ProcessCluster) {
        let target = self.shared.acknowledged.load(Ordering::SeqCst) + 1;
        self.until(cluster, "a fresh read", || self.shared.seen.load(Ordering::SeqCst) >= target)
            .await;
    }

    async fn until(&self, cluster: &ProcessCluster, what: &str, reached: impl Fn() -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !reached() && !self.tasks.iter().any(JoinHandle::is_finished) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        if waited.await.is_err() {
            cluster.fail(&format!("waited in vain for {what}"));
        }
    }

    /// Ends writer and readers; fails when a read was stale.
    pub(crate) async fn finish(self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        for client in self.clients {
            client.close().await;
        }
    }
}

async fn write(client: Client, shared: Arc<Shared>) {
    while !shared.stop.load(Ordering::SeqCst) {
        if let Ok(outcome) = client.set(key(), Value::default()).await {
            shared.acknowledged.fetch_max(outcome.revision.get(), Ordering::SeqCst);
            shared.written.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn read(client: Client, consistency: Consistency, shared: Arc<Shared>) {
    while !shared.stop.load(Ordering::SeqCst) {
        let before = shared.acknowledged.load(Ordering::SeqCst);
        let request = ReadRequest { keys: vec![key()], consistency };
        let Ok(reply) = client.read(request).await else {
            shared.refused.fetch_add(1, Ordering::SeqCst);
            continue;
        };
        let found = reply.values[0].as_ref().map_or(0, |entry| entry.mod_revision.get());
        assert!(found >= before, "{consistency:?}: read {found} after {before} was acknowledged");
        shared.seen.fetch_max(found, Ordering::SeqCst);
        shared.answered.fetch_add(1, Ordering::SeqCst);
    }
}

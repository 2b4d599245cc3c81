//! Clients that work while a test injects faults, and the verdict on what they saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aspen_client::Client;
use aspen_core::{
    KeyValueStore, ReadError, ReadReply, ReadRequest, ScanPage, ScanRequest, TransactionOutcome,
    WriteCommand, WriteError,
};
use aspen_tests::ProcessCluster;
use aspen_tests::check::Violation;
use aspen_tests::history::{ClientId, Recorder};
use aspen_tests::workload::{self, Context, SeededRandom, Stop, Workload};
use async_trait::async_trait;
use tokio::task::JoinHandle;

/// How many clients run each workload.
const CLIENTS: u64 = 3;

/// How long writes may take to get further: many elections.
const PROGRESS_PATIENCE: Duration = Duration::from_secs(60);

/// Workloads at a cluster, each run by several clients that share one connection.
pub(crate) struct Load {
    client: Client,
    store: Arc<Counted>,
    recorder: Recorder,
    random: SeededRandom,
    stop: Stop,
    workloads: Vec<Arc<dyn Workload>>,
    clients: Vec<JoinHandle<Result<(), Violation>>>,
}

impl Load {
    /// Begins workloads by name. What clients choose follows from the seed; when they do it, not.
    pub(crate) async fn start(cluster: &ProcessCluster, names: &[&str], seed: u64) -> Self {
        let client = cluster.client().await;
        let store = Arc::new(Counted { client: client.clone(), done: AtomicU64::new(0) });
        let workloads = names.iter().map(|name| workload::named(name).unwrap()).collect();
        let mut load = Self {
            client,
            store,
            recorder: Recorder::new(),
            random: SeededRandom::new(seed),
            stop: Stop::new(),
            workloads,
            clients: Vec::new(),
        };
        load.begin().await;
        load
    }

    async fn begin(&mut self) {
        for workload in self.workloads.clone() {
            workload.prepare(&self.context(0)).await.unwrap();
            for client in 0..CLIENTS {
                let (workload, context) = (workload.clone(), self.context(client));
                self.clients.push(tokio::spawn(async move { workload.run(context).await }));
            }
        }
    }

    fn context(&self, client: u64) -> Context {
        Context {
            client: ClientId(client),
            clients: CLIENTS,
            store: self.store.clone(),
            watch: Arc::new(self.client.clone()),
            leases: Arc::new(self.client.clone()),
            recorder: self.recorder.clone(),
            random: self.random.fork(),
            stop: self.stop.clone(),
        }
    }

    /// Waits until so many more writes are acknowledged: the cluster serves.
    pub(crate) async fn more_writes(&self, count: u64, cluster: &ProcessCluster) {
        let done = || self.store.done.load(Ordering::SeqCst);
        let target = done() + count;
        let waited = tokio::time::timeout(PROGRESS_PATIENCE, async {
            while done() < target && !self.clients.iter().any(JoinHandle::is_finished) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        if waited.await.is_err() {
            cluster.fail(&format!("only {} of {target} writes were acknowledged", done()));
        }
    }

    /// Ends the clients and judges.
    pub(crate) async fn finish(mut self, cluster: &ProcessCluster) {
        self.stop.set();
        for client in std::mem::take(&mut self.clients) {
            client.await.unwrap().unwrap_or_else(|violation| cluster.fail(&violation.to_string()));
        }
        for workload in &self.workloads {
            let judged = workload.check(&self.context(0)).await;
            judged.unwrap_or_else(|violation| cluster.fail(&violation.to_string()));
        }
        self.client.close().await;
    }
}

/// A client that counts the writes that were acknowledged.
struct Counted {
    client: Client,
    done: AtomicU64,
}

#[async_trait]
impl KeyValueStore for Counted {
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        self.client.read(request).await
    }

    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        self.client.scan(request).await
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        let outcome = self.client.write(command).await?;
        self.done.fetch_add(1, Ordering::SeqCst);
        Ok(outcome)
    }
}

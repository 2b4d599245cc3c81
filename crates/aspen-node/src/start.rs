//! How a node comes up, stage by stage, and goes down in the opposite order.

mod cluster;
mod network;
mod peer_files;
mod storage;
mod ticket_file;

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{GroupId, NodeId, runtime};
use aspen_net::NodeNet;
use aspen_raft::RaftOptions;
use aspen_storage::RedbLogStore;
use tokio::net::TcpListener;

use crate::compose::{self, ComposedNode, DiskLimits, DiskProbe, OpenNode, Running, Settings};
use crate::data_dir::{DataDir, Stage};
use crate::disk_guard::FileSystemProbe;
use crate::{Config, StartError, ops};

use peer_files::PeerFiles;
use storage::Storage;

/// What has been started so far. Whatever the stage, [`Started::stop`] closes exactly that, so a
/// failure half way leaves nothing open.
pub(crate) struct Started {
    config: Config,
    dir: DataDir,
    storage: Option<Storage>,
    net: Option<Arc<NodeNet>>,
    running: Option<Arc<Running>>,
}

impl Started {
    /// Checks the configuration and takes the data directory.
    pub(crate) async fn prepare(config: Config) -> Result<Self, StartError> {
        for warning in config.validate()? {
            tracing::warn!("{warning}");
        }
        raft_options(&config).validate()?;
        let (path, node) = (config.dir.clone(), NodeId::new(config.id));
        let dir = runtime::spawn_blocking(move || DataDir::open(&path, node)).await??;
        let _ = std::fs::remove_file(dir.ticket_file());
        Ok(Self { config, dir, storage: None, net: None, running: None })
    }

    /// Brings everything else up, in order.
    pub(crate) async fn bring_up(
        &mut self,
        probe: Option<Arc<dyn DiskProbe>>,
    ) -> Result<ComposedNode, StartError> {
        let storage = Storage::open(&self.dir, self.config.head_bytes_max).await?;
        let storage = self.storage.insert(storage);
        let log = storage.log();
        let net = network::bind(&self.config, &self.dir).await?;
        let net = self.net.insert(net).clone();
        let parts = compose::Parts {
            links: net.clone(),
            transport: net.transport(),
            log: log.clone(),
            groups: storage.groups(),
            disk: probe.unwrap_or_else(|| Arc::new(FileSystemProbe::new(self.dir.path()))),
        };
        let node = OpenNode::open(settings(&self.config), parts).await?;
        self.running = Some(node.running());
        // Last of what takes time: once a node is let in, its peers try to reach it.
        let entry = cluster::enter(&self.config, &mut self.dir, &*net).await?;
        net.set_cluster(entry.cluster);
        let node = node.enter(entry).await?;
        net.serve(node.peers(), node.requests());
        self.found(&node).await?;
        node.start_tasks(Some(Arc::new(PeerFiles::new(&self.dir))));
        self.start_ops(&node, log).await?;
        Ok(node)
    }

    /// The first node of a new cluster is its first member.
    async fn found(&mut self, node: &ComposedNode) -> Result<(), StartError> {
        if self.dir.identity().stage != Stage::Founding {
            return Ok(());
        }
        node.found().await?;
        Ok(self.dir.enter(node.cluster(), Stage::Member)?)
    }

    async fn start_ops(
        &self,
        node: &ComposedNode,
        log: Arc<RedbLogStore>,
    ) -> Result<(), StartError> {
        let Some(address) = self.config.ops_listen else { return Ok(()) };
        let listener = TcpListener::bind(address).await;
        let listener =
            listener.map_err(|error| StartError::Ops { address, detail: error.to_string() })?;
        let core = node.core().clone();
        let route = move |path: &str| core.report(&log).answer(path);
        node.start_task(ops::serve(listener, Arc::new(route)));
        Ok(())
    }

    /// Waits until a group has stopped by itself.
    pub(crate) async fn failed(&self) -> GroupId {
        match &self.running {
            Some(running) => running.host.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Stops everything that was started, in the opposite order, within the configured time. What
    /// is cut off then is lost for nobody: a stop is never more than a crash with better manners.
    pub(crate) async fn stop(mut self) {
        let patience = Duration::from_millis(self.config.drain_ms);
        if runtime::timeout(patience, self.stop_in_order()).await.is_err() {
            tracing::warn!(drain_ms = self.config.drain_ms, "stopped before everything had ended");
        }
    }

    async fn stop_in_order(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        if let Some(net) = self.net.take() {
            net.close().await;
        }
        if let Some(storage) = self.storage.take() {
            storage.close().await;
        }
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        raft: raft_options(config),
        disk: DiskLimits {
            warn_percent: config.disk_warn_percent,
            refuse_percent: config.disk_refuse_percent,
        },
        disk_check_every: Duration::from_millis(config.disk_check_ms),
    }
}

/// What the configuration says about consensus.
pub(crate) fn raft_options(config: &Config) -> RaftOptions {
    RaftOptions {
        heartbeat_ms: config.heartbeat_ms,
        election_ms_min: config.election_ms_min,
        election_ms_max: config.election_ms_max,
        vote_timeout_ms: config.vote_timeout_ms,
        append_timeout_ms: config.append_timeout_ms,
        operations_in_flight_max: config.operations_in_flight_max,
        history_ms: config.history_ms,
        log_bytes_kept: config.log_bytes_kept,
        ..RaftOptions::default()
    }
}

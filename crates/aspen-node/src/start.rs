//! How a node comes up, stage by stage, and goes down in the opposite order.

mod cluster;
mod network;
mod storage;

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{ClusterController, GroupId, NodeId, runtime};
use aspen_net::NodeNet;
use aspen_raft::{RaftHost, RaftOptions};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::core::{Core, GROUPS, ProposalCounters};
use crate::data_dir::{DataDir, Stage};
use crate::directory::Directory;
use crate::disk_guard::{DiskGuard, DiskLimits, DiskProbe, FileSystemProbe};
use crate::service::Service;
use crate::tasks::Tasks;
use crate::{Config, StartError, ops};

pub(crate) use storage::Storage;

/// What has been started so far. Whatever the stage, [`Parts::stop`] closes exactly that, so a
/// failure half way leaves nothing open.
pub(crate) struct Parts {
    config: Config,
    dir: DataDir,
    storage: Option<Storage>,
    net: Option<Arc<NodeNet>>,
    host: Option<Arc<RaftHost>>,
    tasks: Tasks,
}

impl Parts {
    /// Checks the configuration and takes the data directory.
    pub(crate) async fn prepare(config: Config) -> Result<Self, StartError> {
        for warning in config.validate()? {
            tracing::warn!("{warning}");
        }
        raft_options(&config).validate()?;
        let (path, node) = (config.dir.clone(), NodeId::new(config.id));
        let dir = runtime::spawn_blocking(move || DataDir::open(&path, node)).await??;
        let _ = std::fs::remove_file(dir.ticket_file());
        Ok(Self { config, dir, storage: None, net: None, host: None, tasks: Tasks::new() })
    }

    /// Brings everything else up, in order.
    pub(crate) async fn bring_up(
        &mut self,
        probe: Option<Arc<dyn DiskProbe>>,
    ) -> Result<(Arc<Core>, Arc<Service>), StartError> {
        let guard = Arc::new(self.disk_guard(probe));
        let storage = Storage::open(&self.dir, self.config.head_bytes_max).await?;
        let storage = self.storage.insert(storage);
        let net = network::bind(&self.config, &self.dir).await?;
        let net = self.net.insert(net).clone();
        let options = raft_options(&self.config);
        let host = RaftHost::new(self.dir.identity().node, net.transport(), options);
        let host = self.host.insert(host).clone();
        storage.open_groups(&host).await?;
        let meta = host.group(GroupId::META).ok_or(aspen_raft::OpenError::Stopping)?;
        // Last of what takes time: once a node is let in, its peers try to reach it.
        let entered = cluster::enter(&self.config, &mut self.dir, &net).await?;
        storage.bind(entered.cluster, self.dir.identity().node).await?;
        net.set_cluster(entered.cluster);
        let own = net.record();
        net.set_peers(entered.nodes.clone());
        let core = Arc::new(Core {
            node: own.id,
            endpoint: own.endpoint,
            cluster: entered.cluster,
            directory: Directory::new(entered.nodes),
            guard,
            registry_changed: Notify::new(),
            proposals: ProposalCounters::new(GROUPS),
            log: storage.log(),
            net,
            host,
            meta,
        });
        let service = Arc::new(Service::new(core.clone()));
        core.net.serve(core.host.clone(), service.clone());
        self.found(&core).await?;
        self.start_tasks(&core).await?;
        Ok((core, service))
    }

    /// Makes this node the first member of the groups of a new cluster. After a crash in between
    /// it goes on where it was; once it is through, it never happens again.
    async fn found(&mut self, core: &Core) -> Result<(), StartError> {
        if self.dir.identity().stage != Stage::Founding {
            return Ok(());
        }
        for group in GROUPS {
            core.host.init(group, vec![core.record()]).await?;
        }
        Ok(self.dir.enter(core.cluster, Stage::Member)?)
    }

    async fn start_tasks(&mut self, core: &Arc<Core>) -> Result<(), StartError> {
        let every = Duration::from_millis(self.config.disk_check_ms);
        self.tasks.start_disk_guard(core, every);
        self.tasks.start_membership(core, &self.dir);
        if let Some(address) = self.config.ops_listen {
            let listener = TcpListener::bind(address).await;
            let listener =
                listener.map_err(|error| StartError::Ops { address, detail: error.to_string() })?;
            let core = core.clone();
            let route = move |path: &str| core.report().answer(path);
            self.tasks.start(ops::serve(listener, Arc::new(route)));
        }
        Ok(())
    }

    fn disk_guard(&self, probe: Option<Arc<dyn DiskProbe>>) -> DiskGuard {
        let limits = DiskLimits {
            warn_percent: self.config.disk_warn_percent,
            refuse_percent: self.config.disk_refuse_percent,
        };
        let probe = probe.unwrap_or_else(|| Arc::new(FileSystemProbe::new(self.dir.path())));
        DiskGuard::new(probe, limits)
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
        self.tasks.stop().await;
        if let Some(host) = self.host.take() {
            host.shutdown().await;
        }
        if let Some(net) = self.net.take() {
            net.close().await;
        }
        if let Some(storage) = self.storage.take() {
            storage.close().await;
        }
    }
}

fn raft_options(config: &Config) -> RaftOptions {
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

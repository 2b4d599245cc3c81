//! A node before it is in a cluster, and what it is made of.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{ClusterId, GroupId, NodeRecord, Transport};
use aspen_raft::{Group, OpenError, RaftHost, RaftOptions};
use aspen_storage::{GroupLog, LogError, RedbLogStore, StateMachine};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::running::Running;
use super::{ComposedNode, DiskLimits, DiskProbe, Links};
use crate::core::{Core, GROUPS, ProposalCounters};
use crate::directory::Directory;
use crate::disk_guard::DiskGuard;
use crate::watches::Watches;

/// What can be chosen about a node that is composed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of consensus.
    pub raft: RaftOptions,
    /// How full its disk may become.
    pub disk: DiskLimits,
    /// The time between two looks at the disk. Shorter catches a fast writer earlier; longer asks
    /// the file system less.
    pub disk_check_every: Duration,
}

/// What a node is made of. All of it stays the caller's to close.
pub struct Parts {
    /// Its network; it says who the node is, too.
    pub links: Arc<dyn Links>,
    /// What carries the messages of consensus.
    pub transport: Arc<dyn Transport>,
    /// Its log.
    pub log: Arc<RedbLogStore>,
    /// Its groups; every node has one for each of [`GROUPS`].
    pub groups: Vec<GroupParts>,
    /// Tells how full its disk is.
    pub disk: Arc<dyn DiskProbe>,
}

/// One group of a node.
pub struct GroupParts {
    /// Which.
    pub group: GroupId,
    /// Its part of the log.
    pub log: Arc<dyn GroupLog>,
    /// Its state.
    pub state: Arc<dyn StateMachine>,
}

/// The cluster that a node is in, and who else is as far as the node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The cluster.
    pub cluster: ClusterId,
    /// The nodes to begin with, this one among them or not. Other nodes may contact this one only
    /// while it knows them.
    pub nodes: Vec<NodeRecord>,
}

/// A node with its groups open, which is in no cluster yet.
pub struct OpenNode {
    settings: Settings,
    links: Arc<dyn Links>,
    log: Arc<RedbLogStore>,
    disk: Arc<dyn DiskProbe>,
    meta: Arc<Group>,
    running: Arc<Running>,
}

impl OpenNode {
    /// Opens the node's replicas of its groups, new or as they were left.
    ///
    /// # Errors
    /// See [`OpenError`]; what was opened is stopped again.
    pub async fn open(settings: Settings, parts: Parts) -> Result<Self, OpenError> {
        let Parts { links, transport, log, groups, disk } = parts;
        let host = RaftHost::new(links.record().id, transport, settings.raft.clone());
        let running = Arc::new(Running::new(host));
        match open_groups(&running.host, groups).await {
            Ok(meta) => Ok(Self { settings, links, log, disk, meta, running }),
            Err(error) => {
                running.stop().await;
                Err(error)
            }
        }
    }

    /// Makes it a node of a cluster, for good: its log refuses any other from then on.
    ///
    /// # Errors
    /// When the log cannot be written, or belongs to another cluster or node; the node is stopped.
    pub async fn enter(self, entry: Entry) -> Result<ComposedNode, LogError> {
        let own = self.links.record();
        if let Err(error) = self.log.stamp(entry.cluster, own.id).await {
            self.stop().await;
            return Err(error);
        }
        self.links.set_peers(entry.nodes.clone());
        let core = Core {
            node: own.id,
            endpoint: own.endpoint,
            cluster: entry.cluster,
            links: self.links,
            host: self.running.host.clone(),
            meta: self.meta,
            directory: Directory::new(entry.nodes),
            guard: Arc::new(DiskGuard::new(self.disk, self.settings.disk)),
            registry_changed: Notify::new(),
            proposals: ProposalCounters::new(GROUPS),
            watches: Watches::default(),
            refusal: Mutex::default(),
        };
        Ok(ComposedNode::new(core, self.running, self.settings.disk_check_every))
    }

    /// Stops the groups.
    pub async fn stop(self) {
        self.running.stop().await;
    }

    /// What a failed start has to stop.
    #[cfg(not(madsim))]
    pub(crate) fn running(&self) -> Arc<Running> {
        self.running.clone()
    }
}

/// Opens the groups; answers the meta group.
async fn open_groups(host: &RaftHost, groups: Vec<GroupParts>) -> Result<Arc<Group>, OpenError> {
    for GroupParts { group, log, state } in groups {
        host.open_group(group, log, state).await?;
    }
    host.group(GroupId::META).ok_or_else(|| OpenError::Storage {
        group: GroupId::META,
        detail: "it is not among the parts of the node".to_owned(),
    })
}

//! What every service and task of a running node shares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aspen_core::{ClusterId, EndpointKey, GroupId, NodeId, NodeRecord, Rights, ShardId};
use aspen_net::{ClusterUnknown, Ticket};
use aspen_raft::{Group, RaftHost};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::compose::Links;
use crate::directory::Directory;
use crate::disk_guard::DiskGuard;
use crate::watches::Watches;

/// The program's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The groups that every node holds.
pub const GROUPS: [GroupId; 2] = [GroupId::META, GroupId::shard(ShardId::new(0))];

/// The parts of a running node.
pub(crate) struct Core {
    pub(crate) node: NodeId,
    pub(crate) endpoint: EndpointKey,
    pub(crate) cluster: ClusterId,
    pub(crate) links: Arc<dyn Links>,
    pub(crate) host: Arc<RaftHost>,
    pub(crate) meta: Arc<Group>,
    pub(crate) directory: Directory,
    pub(crate) guard: Arc<DiskGuard>,
    /// Wakes whoever keeps the directory when the registry was changed through this node.
    pub(crate) registry_changed: Notify,
    pub(crate) proposals: ProposalCounters,
    pub(crate) watches: Watches,
    /// Why the cluster does not count this node among its own; `None` while it does, as far as is
    /// known.
    pub(crate) refusal: Mutex<Option<String>>,
}

impl Core {
    /// This node as others reach it.
    pub(crate) fn record(&self) -> NodeRecord {
        self.links.record()
    }

    /// Whether this node leads the meta group.
    pub(crate) fn leads_meta(&self) -> bool {
        self.meta.leader() == Some(self.node)
    }

    /// A ticket that names every node now known, with a grant of `rights` that does not expire.
    pub(crate) fn ticket(&self, rights: Rights) -> Result<Ticket, ClusterUnknown> {
        let grant = Some(self.links.issue_grant(rights)?);
        let peers = self.directory.ticket_peers(self.node);
        Ok(Ticket { cluster: self.cluster, peers, grant })
    }

    /// Whether every group here has a leader and has this node as a member.
    pub(crate) fn serves(&self) -> bool {
        let groups = self.host.groups();
        !groups.is_empty()
            && groups.iter().all(|group| {
                let metrics = group.metrics();
                let mut members = metrics.voters.iter().chain(&metrics.learners);
                metrics.leader.is_some() && members.any(|member| *member == self.node)
            })
    }
}

/// How many writes were received, by group.
#[derive(Default)]
pub(crate) struct ProposalCounters(BTreeMap<GroupId, AtomicU64>);

impl ProposalCounters {
    /// Counters of these groups.
    pub(crate) fn new(groups: impl IntoIterator<Item = GroupId>) -> Self {
        Self(groups.into_iter().map(|group| (group, AtomicU64::new(0))).collect())
    }

    /// Counts received writes; those for groups that are not here are not counted.
    pub(crate) fn add(&self, group: GroupId, count: usize) {
        if let Some(counter) = self.0.get(&group) {
            counter.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// How many so far.
    #[cfg(not(madsim))]
    pub(crate) fn get(&self, group: GroupId) -> u64 {
        self.0.get(&group).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

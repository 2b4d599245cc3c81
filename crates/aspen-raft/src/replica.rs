//! What every part of a group's replica shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aspen_core::{GroupId, GroupMetrics, NodeId, NodeRecord, NotLeader, Transport};
use aspen_storage::{GroupLog, StateMachine};
use openraft::RaftMetrics;
use openraft::async_runtime::watch::WatchReceiver;

use crate::applied_index::AppliedIndex;
use crate::coherence::Known;
use crate::durability::Durability;
use crate::metrics::group_metrics;
use crate::options::RaftOptions;
use crate::silence::Silence;
use crate::types::{Member, Raft, TypeConfig};

/// One replica of one group: its consensus, log and state.
pub(crate) struct Replica {
    pub(crate) group: GroupId,
    pub(crate) node: NodeId,
    pub(crate) raft: Raft,
    pub(crate) log: Arc<dyn GroupLog>,
    pub(crate) state: Arc<dyn StateMachine>,
    pub(crate) applied: Arc<AppliedIndex>,
    pub(crate) durability: Arc<Durability>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) options: Arc<RaftOptions>,
    pub(crate) silence: Silence,
    pub(crate) stopping: AtomicBool,
}

impl Replica {
    pub(crate) fn is_leader(&self) -> bool {
        self.raft.is_leader()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Looks at openraft's metrics without copying them.
    pub(crate) fn with_metrics<T>(&self, look: impl FnOnce(&RaftMetrics<TypeConfig>) -> T) -> T {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        look(&metrics)
    }

    pub(crate) fn metrics(&self) -> GroupMetrics {
        let revision = self.state.revision();
        self.with_metrics(|metrics| group_metrics(self.group, revision, metrics))
    }

    /// What this replica knows for certain; it may know more by now.
    pub(crate) fn known(&self) -> Known {
        self.with_metrics(|metrics| Known {
            vote: metrics.vote,
            committed: metrics.local_committed,
        })
    }

    pub(crate) fn leader(&self) -> Option<NodeId> {
        self.with_metrics(|metrics| metrics.current_leader.map(NodeId::new))
    }

    /// The members' records, by id.
    pub(crate) fn members(&self) -> Vec<NodeRecord> {
        self.with_metrics(|metrics| {
            let nodes = metrics.membership_config.membership().nodes();
            nodes.map(|(_, member)| member.0.clone()).collect()
        })
    }

    /// The answer of a replica that does not lead: who does, and where.
    pub(crate) fn not_leader(&self) -> NotLeader {
        self.with_metrics(|metrics| {
            let membership = metrics.membership_config.membership();
            let leader = metrics.current_leader;
            self.redirect(leader, leader.and_then(|id| membership.get_node(&id)))
        })
    }

    /// The answer that points to a certain node.
    pub(crate) fn redirect(&self, leader: Option<u64>, member: Option<&Member>) -> NotLeader {
        // A replica that just lost or has not yet won leadership would point to itself.
        let leader = leader.filter(|id| *id != self.node.get());
        let address = leader.and(member).map(|Member(at)| (at.endpoint, at.addresses.clone()));
        NotLeader { group: self.group, leader: leader.map(NodeId::new), address }
    }
}

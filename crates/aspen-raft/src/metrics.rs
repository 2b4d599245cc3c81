//! openraft's metrics as the rest of Aspen reads them.

use std::collections::BTreeMap;

use aspen_core::{
    GroupId, GroupMetrics, GroupRole, LogIndex, NodeId, ReplicationProgress, Revision, Term,
};
use openraft::{RaftMetrics, ServerState};

use crate::types::{LogId, TypeConfig};

/// Translates the metrics of a replica whose state machine is at `revision`.
pub(crate) fn group_metrics(
    group: GroupId,
    revision: Revision,
    metrics: &RaftMetrics<TypeConfig>,
) -> GroupMetrics {
    let membership = metrics.membership_config.membership();
    GroupMetrics {
        group,
        node: NodeId::new(metrics.id),
        role: role(metrics),
        term: Term::new(metrics.current_term),
        leader: metrics.current_leader.map(NodeId::new),
        last_log: metrics.last_log_index.map(LogIndex::new),
        committed: index(metrics.local_committed.as_ref()),
        applied: index(metrics.last_applied.as_ref()),
        snapshot: index(metrics.snapshot.as_ref()),
        purged: index(metrics.purged.as_ref()),
        revision,
        voters: membership.voter_ids().map(NodeId::new).collect(),
        learners: membership.learner_ids().map(NodeId::new).collect(),
        replication: replication(metrics),
    }
}

fn role(metrics: &RaftMetrics<TypeConfig>) -> GroupRole {
    if metrics.running_state.is_err() {
        return GroupRole::Stopped;
    }
    match metrics.state {
        ServerState::Leader => GroupRole::Leader,
        ServerState::Follower => GroupRole::Follower,
        ServerState::Candidate => GroupRole::Candidate,
        ServerState::Learner => GroupRole::Learner,
        ServerState::Shutdown => GroupRole::Stopped,
    }
}

fn replication(metrics: &RaftMetrics<TypeConfig>) -> BTreeMap<NodeId, ReplicationProgress> {
    let end = metrics.last_log_index.map_or(0, |last| last + 1);
    let progress = |matched: Option<&LogId>| {
        let have = matched.map_or(0, |id| id.index + 1);
        ReplicationProgress { matched: index(matched), lag_entries: end.saturating_sub(have) }
    };
    let others = metrics.replication.iter().flatten().filter(|(id, _)| **id != metrics.id);
    others.map(|(id, matched)| (NodeId::new(*id), progress(matched.as_ref()))).collect()
}

fn index(id: Option<&LogId>) -> Option<LogIndex> {
    id.map(|id| LogIndex::new(id.index))
}

//! The cluster at a glance: what every node says about itself, put together.

use std::collections::BTreeMap;
use std::time::Duration;

use aspen_core::{
    Caller, ClientRequest, ClientResponse, ClusterStatus, ControlRequest, ControlResponse, GroupId,
    GroupMetrics, GroupRole, GroupStatus, NodeRecord, NodeState, NodeStatus,
};
use aspen_net::PeerAddress;
use futures_util::future::join_all;

use crate::core::{Core, VERSION};

/// How long a node may take to answer before it counts as offline. All are asked at once, so this
/// is also about how long a status takes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The status for a caller. Another node is told only about this one: it asks all of them.
pub(super) async fn status(core: &Core, caller: Caller) -> ClusterStatus {
    let own = own_status(core);
    let asked_by_node = caller.endpoint != core.endpoint && core.directory.is_node(caller.endpoint);
    if asked_by_node {
        return own;
    }
    let others = core.directory.all().into_iter().filter(|record| record.id != core.node);
    let answers = join_all(others.map(|record| ask(core, record))).await;
    combine(own, answers)
}

fn own_status(core: &Core) -> ClusterStatus {
    let node = NodeStatus {
        record: core.record(),
        state: NodeState::Online,
        version: Some(VERSION.to_owned()),
        disk_used_percent: Some(core.guard.used_percent()),
    };
    let groups = core.host.groups();
    let groups = groups.iter().map(|group| GroupStatus { metrics: group.metrics() }).collect();
    ClusterStatus { cluster: core.cluster, nodes: vec![node], groups }
}

/// A node, and what it says if it answers.
type Answer = (NodeRecord, Option<ClusterStatus>);

async fn ask(core: &Core, record: NodeRecord) -> Answer {
    let request = ClientRequest::Control(ControlRequest::Status);
    let answer = core.links.call(&PeerAddress::from(&record), request, ANSWER_TIMEOUT).await;
    let status = match answer {
        Ok(ClientResponse::Control(Ok(ControlResponse::Status(status)))) => Some(*status),
        Ok(other) => {
            tracing::debug!(node = %record.id, ?other, "a node gave no status");
            None
        }
        Err(error) => {
            tracing::debug!(node = %record.id, %error, "a node did not answer");
            None
        }
    };
    (record, status)
}

/// Puts the answers together: each node by itself, each group by its leader.
fn combine(own: ClusterStatus, answers: Vec<Answer>) -> ClusterStatus {
    let mut groups: BTreeMap<GroupId, GroupMetrics> =
        own.groups.into_iter().map(|group| (group.metrics.group, group.metrics)).collect();
    let mut nodes = own.nodes;
    for (record, status) in answers {
        let found = status.as_ref().and_then(|s| s.nodes.first()).cloned();
        nodes.push(found.map_or_else(
            || offline(record.clone()),
            |node| NodeStatus { record: record.clone(), ..node },
        ));
        for GroupStatus { metrics } in status.into_iter().flat_map(|status| status.groups) {
            match groups.get(&metrics.group) {
                Some(known) if !knows_better(&metrics, known) => {}
                _ => {
                    groups.insert(metrics.group, metrics);
                }
            }
        }
    }
    nodes.sort_by_key(|node| node.record.id);
    let groups = groups.into_values().map(|metrics| GroupStatus { metrics }).collect();
    ClusterStatus { cluster: own.cluster, nodes, groups }
}

fn offline(record: NodeRecord) -> NodeStatus {
    NodeStatus { record, state: NodeState::Offline, version: None, disk_used_percent: None }
}

/// A leader knows its group best; of two that say they lead, the one of the later term does.
fn knows_better(metrics: &GroupMetrics, known: &GroupMetrics) -> bool {
    let leads = |metrics: &GroupMetrics| metrics.role == GroupRole::Leader;
    leads(metrics) && (!leads(known) || metrics.term > known.term)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use aspen_core::{ClusterId, EndpointKey, NodeId, Revision, Term};

    fn record(id: u64) -> NodeRecord {
        NodeRecord { id: NodeId::new(id), endpoint: EndpointKey::new([0; 32]), addresses: vec![] }
    }

    fn status(id: u64, role: GroupRole, term: u64) -> ClusterStatus {
        let metrics = GroupMetrics {
            group: GroupId::META,
            node: NodeId::new(id),
            role,
            term: Term::new(term),
            leader: None,
            last_log: None,
            committed: None,
            applied: None,
            snapshot: None,
            purged: None,
            revision: Revision::ZERO,
            voters: vec![],
            learners: vec![],
            replication: BTreeMap::new(),
        };
        let node = NodeStatus { state: NodeState::Online, ..offline(record(id)) };
        ClusterStatus {
            cluster: ClusterId::new([0; 16]),
            nodes: vec![node],
            groups: vec![GroupStatus { metrics }],
        }
    }

    #[test]
    fn a_group_is_described_by_its_latest_leader() {
        let own = status(2, GroupRole::Leader, 3);
        let answers = vec![
            (record(1), Some(status(1, GroupRole::Follower, 9))),
            (record(4), Some(status(4, GroupRole::Leader, 4))),
            (record(3), None),
        ];
        let combined = combine(own, answers);
        assert_eq!(combined.groups.len(), 1);
        assert_eq!(combined.groups[0].metrics.node, NodeId::new(4));
        let states: Vec<_> =
            combined.nodes.iter().map(|node| (node.record.id.get(), node.state)).collect();
        let (on, off) = (NodeState::Online, NodeState::Offline);
        assert_eq!(states, [(1, on), (2, on), (3, off), (4, on)]);
    }
}

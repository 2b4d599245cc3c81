//! Who belongs to a cluster, and how that changes.

use std::collections::BTreeSet;

use aspen_core::{ControlError, ControlRequest, GroupId, NodeId, Rights};
use aspen_node::{JoinFailure, StartError};

use crate::cluster::{
    Dirs, answer_until, free_address, get, serving, set, status_until, stop, value,
    voters_everywhere,
};

#[tokio::test(flavor = "multi_thread")]
async fn process_a_removed_node_leaves_for_good() {
    let dirs = Dirs::new();
    let ops = free_address();
    let mut nodes = dirs.three_with(|builder| builder.ops_listen(ops)).await;
    set(&nodes[0], "k", "v").await;
    answer_until(ops, "/ready", "200 OK").await;
    let remove = ControlRequest::RemoveNode { node: NodeId::new(3) };
    nodes[1].client().control(remove.clone()).await.unwrap();
    let two = status_until(&nodes[1], |status| voters_everywhere(status, &[1, 2])).await;
    assert_eq!(two.groups.iter().map(|group| group.metrics.learners.len()).sum::<usize>(), 0);
    nodes[0].client().control(remove).await.unwrap();
    let answer = answer_until(ops, "/ready", "503 Service Unavailable").await;
    assert!(answer.contains("removed"), "{answer}");

    let ticket = nodes[0].ticket(Rights::Admin).unwrap();
    nodes.remove(2).shutdown().await;
    std::fs::remove_dir_all(dirs.dir(3)).unwrap();
    let back = dirs.builder(3).join(ticket.clone()).start().await.unwrap_err();
    assert!(matches!(back, StartError::Join(JoinFailure::Refused(_))), "{back}");
    assert!(back.to_string().contains("was removed"), "{back}");

    let fourth = serving(dirs.builder(4).join(ticket).start().await.unwrap()).await;
    status_until(&fourth, |status| voters_everywhere(status, &[1, 2, 4])).await;
    assert_eq!(get(&fourth, "k").await, Some(value("v")));
    nodes.push(fourth);
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn process_the_leader_can_be_removed_and_voters_chosen() {
    let dirs = Dirs::new();
    let mut nodes = dirs.three().await;
    let voters: BTreeSet<NodeId> = [1, 2].map(NodeId::new).into();
    let change = ControlRequest::ChangeMembership { voters };
    nodes[2].client().control(change).await.unwrap();
    let learner = |status: &aspen_core::ClusterStatus| {
        status.groups.iter().all(|group| group.metrics.learners == [NodeId::new(3)])
    };
    status_until(&nodes[2], learner).await;

    let voters: BTreeSet<NodeId> = [1, 2, 3].map(NodeId::new).into();
    nodes[2].client().control(ControlRequest::ChangeMembership { voters }).await.unwrap();
    let remove = ControlRequest::RemoveNode { node: NodeId::new(1) };
    nodes[2].client().control(remove).await.unwrap();
    status_until(&nodes[2], |status| voters_everywhere(status, &[2, 3])).await;
    set(&nodes[2], "k", "v").await;
    nodes.remove(0).shutdown().await;
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn process_leadership_moves_and_requests_that_make_no_sense_change_nothing() {
    let dirs = Dirs::new();
    let nodes = dirs.three().await;
    let client = nodes[0].client();
    let data = GroupId::from_raw(1);
    let transfer = ControlRequest::TransferLeader { group: data, to: NodeId::new(2) };
    client.control(transfer).await.unwrap();
    let moved = |status: &aspen_core::ClusterStatus| {
        let group = status.groups.iter().find(|group| group.metrics.group == data);
        group.is_some_and(|group| group.metrics.leader == Some(NodeId::new(2)))
    };
    status_until(&nodes[2], moved).await;
    set(&nodes[0], "k", "v").await;
    for request in [
        ControlRequest::AddLearner { node: NodeId::new(9) },
        ControlRequest::RemoveNode { node: NodeId::new(9) },
        ControlRequest::ChangeMembership { voters: BTreeSet::new() },
        ControlRequest::TransferLeader { group: data, to: NodeId::new(9) },
    ] {
        let error = client.control(request.clone()).await.unwrap_err();
        assert!(matches!(error, ControlError::Invalid(_)), "{request:?}: {error}");
    }
    let snapshot = ControlRequest::TriggerSnapshot { group: data };
    client.control(snapshot).await.unwrap();
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn process_a_node_that_moved_tells_the_others() {
    let dirs = Dirs::new();
    let mut nodes = dirs.three().await;
    let old = nodes[2].record();
    nodes.remove(2).shutdown().await;
    // The kept port is forgotten, so that the system chooses another.
    std::fs::remove_file(dirs.dir(3).join("listen")).unwrap();
    let moved = serving(dirs.builder(3).start().await.unwrap()).await;
    let new = moved.record();
    assert_ne!(old.addresses, new.addresses);
    let known =
        |status: &aspen_core::ClusterStatus| status.nodes.iter().any(|node| node.record == new);
    status_until(&nodes[0], known).await;
    nodes.push(moved);
    stop(nodes).await;
}

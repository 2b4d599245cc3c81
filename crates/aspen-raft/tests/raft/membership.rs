//! Members come, become voters, lead, and go.

use std::collections::BTreeSet;

use aspen_core::{ClusterController, Consistency, ControlError, GroupRole, NodeId};

use crate::cluster::*;

fn set(ids: &[u64]) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId::new).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_joins_as_learner_becomes_voter_and_leaves() {
    let mut cluster = Cluster::new(3, options()).await;
    for n in 0..50 {
        cluster.put(&format!("k{n}"), "v").await;
    }
    let leader = cluster.leader().await;
    cluster.start(4).await;
    cluster.host(leader).add_learner(GROUP, record(4)).await.unwrap();
    // Adding it again changes nothing.
    cluster.host(leader).add_learner(GROUP, record(4)).await.unwrap();
    cluster.wait(4, |metrics| metrics.role == GroupRole::Learner).await;
    assert_eq!(get(&cluster.group(4), "k49", Consistency::Linearizable).await.unwrap(), "v");
    assert_eq!(cluster.group(leader).metrics().learners, [NodeId::new(4)]);

    cluster.host(leader).change_membership(GROUP, set(&[1, 2, 3, 4])).await.unwrap();
    cluster.wait_voters(4, &[1, 2, 3, 4]).await;
    assert_eq!(cluster.group(4).members().len(), 4);

    cluster.host(leader).remove_node(GROUP, NodeId::new(4)).await.unwrap();
    cluster.wait_voters(leader, &[1, 2, 3]).await;
    assert!(cluster.group(leader).metrics().learners.is_empty());
    // It is gone already: done.
    cluster.host(leader).remove_node(GROUP, NodeId::new(4)).await.unwrap();
    cluster.put("after", "v").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_is_removed() {
    let mut cluster = Cluster::new(1, options()).await;
    cluster.start(2).await;
    cluster.host(1).add_learner(GROUP, record(2)).await.unwrap();
    cluster.host(1).remove_node(GROUP, NodeId::new(2)).await.unwrap();
    cluster.wait(1, |metrics| metrics.learners.is_empty()).await;
    let last = cluster.host(1).remove_node(GROUP, NodeId::new(1)).await;
    assert!(matches!(last, Err(ControlError::Invalid(_))), "{last:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_addresses_of_a_member_are_recorded() {
    let cluster = Cluster::new(3, options()).await;
    let leader = cluster.leader().await;
    let mut moved = record(2);
    moved.addresses = vec!["127.0.0.1:7777".into()];
    cluster.host(leader).add_learner(GROUP, moved.clone()).await.unwrap();
    assert!(cluster.group(leader).members().contains(&moved));
    cluster.wait_voters(leader, &[1, 2, 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_moves_where_it_is_sent() {
    let cluster = Cluster::new(3, options()).await;
    cluster.put("k", "v").await;
    for _ in 0..3 {
        let leader = cluster.leader().await;
        let target = cluster.follower().await;
        cluster.host(leader).transfer_leader(GROUP, NodeId::new(target)).await.unwrap();
        cluster.wait(target, |metrics| metrics.role == GroupRole::Leader).await;
        cluster.put("k", "v").await;
    }
    let leader = cluster.leader().await;
    cluster.host(leader).transfer_leader(GROUP, NodeId::new(leader)).await.unwrap();
    let stranger = cluster.host(leader).transfer_leader(GROUP, NodeId::new(9)).await;
    assert!(matches!(stranger, Err(ControlError::Invalid(_))), "{stranger:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_can_remove_itself() {
    let cluster = Cluster::new(3, options()).await;
    let leader = cluster.leader().await;
    cluster.host(leader).remove_node(GROUP, NodeId::new(leader)).await.unwrap();
    let next = cluster.leader_but(Some(leader)).await;
    assert!(!cluster.group(next).metrics().voters.contains(&NodeId::new(leader)));
    write(&cluster.group(next), put("k", "v")).await.unwrap();
}

#[tokio::test]
async fn initialising_twice_is_fine_for_the_same_members_only() {
    let cluster = Cluster::new(1, options()).await;
    assert!(cluster.group(1).is_initialized());
    cluster.host(1).init(GROUP, vec![record(1)]).await.unwrap();
    let other = cluster.host(1).init(GROUP, vec![record(1), record(2)]).await;
    assert!(matches!(other, Err(ControlError::Invalid(_))), "{other:?}");
    let unknown = cluster.host(1).metrics(aspen_core::GroupId::from_raw(9)).await;
    assert!(matches!(unknown, Err(ControlError::NoSuchGroup(_))), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_must_be_a_learner_first() {
    let cluster = Cluster::new(1, options()).await;
    let result = cluster.host(1).change_membership(GROUP, set(&[1, 7])).await;
    assert!(matches!(result, Err(ControlError::Invalid(_))), "{result:?}");
    let result = cluster.host(1).change_membership(GROUP, set(&[])).await;
    assert!(matches!(result, Err(ControlError::Invalid(_))), "{result:?}");
}

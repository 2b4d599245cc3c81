//! Members come, become voters, lead, and go.

use std::collections::BTreeSet;

use aspen_core::{
    ClusterController, Consistency, ControlError, GroupRole, LogIndex, NodeId, Term, runtime,
};

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
        let target = cluster.follower().await;
        cluster.send_leadership(target).await;
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

#[tokio::test]
async fn initialization_of_a_group_by_one_of_its_nodes() {
    let cluster = Cluster::started(3, options()).await;
    // Strangers do nothing by themselves.
    for id in cluster.ids() {
        let metrics = cluster.group(id).metrics();
        assert_eq!((metrics.role, metrics.last_log), (GroupRole::Learner, None));
        assert!(!cluster.group(id).is_initialized());
    }
    let others = cluster.host(1).init(GROUP, vec![record(2), record(3)]).await;
    assert!(matches!(others, Err(ControlError::Invalid(_))), "{others:?}");
    let nobody = cluster.host(1).init(GROUP, Vec::new()).await;
    assert!(matches!(nobody, Err(ControlError::Invalid(_))), "{nobody:?}");

    cluster.host(2).init(GROUP, vec![record(1), record(2), record(3)]).await.unwrap();
    let leader = cluster.leader().await;
    for id in cluster.ids() {
        cluster.wait_voters(id, &[1, 2, 3]).await;
        // The membership, and the blank entry of the first leader.
        cluster.wait(id, |metrics| metrics.applied >= Some(LogIndex::new(1))).await;
        assert!(cluster.group(id).is_initialized());
    }
    assert_eq!(cluster.group(leader).metrics().term, Term::new(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_on_a_group_without_members_is_refused() {
    let cluster = Cluster::started(1, options()).await;
    let added = cluster.host(1).add_learner(GROUP, record(2)).await;
    assert!(matches!(added, Err(ControlError::NotLeader(_))), "{added:?}");
    let changed = cluster.host(1).change_membership(GROUP, set(&[1])).await;
    assert!(matches!(changed, Err(ControlError::NotLeader(_))), "{changed:?}");
    assert_eq!(cluster.group(1).metrics().last_log, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_voters_are_replaced_at_once() {
    let cluster = Cluster::with_learners(3, 3, options()).await;
    for n in 0..20 {
        cluster.put(&format!("k{n}"), "v").await;
    }
    let leader = cluster.leader().await;
    cluster.host(leader).change_membership(GROUP, set(&[4, 5, 6])).await.unwrap();
    let new = cluster.leader_but(Some(leader)).await;
    cluster.wait_voters(new, &[4, 5, 6]).await;
    write(&cluster.group(new), put("after", "v")).await.unwrap();
    let value = get(&cluster.group(new), "k19", Consistency::Linearizable).await;
    assert_eq!(value.unwrap(), "v");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn learners_get_everything_and_count_for_nothing() {
    let cluster = Cluster::with_learners(1, 2, options()).await;
    cluster.put("k", "1").await;
    cluster.level().await;
    for id in [2, 3] {
        cluster.network.isolate(NodeId::new(id));
    }
    // One voter of one is a majority.
    cluster.put("k", "2").await;
    cluster.network.heal();
    cluster.level().await;
    assert_eq!(cluster.group(1).metrics().learners, [2, 3].map(NodeId::new));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_joins_while_writes_go_on() {
    let mut cluster = Cluster::new(1, options()).await;
    cluster.start(2).await;
    let (host, group) = (cluster.host(1).clone(), cluster.group(1));
    let adding = runtime::spawn(async move { host.add_learner(GROUP, record(2)).await });
    let mut written = 0;
    while !adding.is_finished() || written < 50 {
        write(&group, put("k", &written.to_string())).await.unwrap();
        written += 1;
    }
    adding.await.unwrap().unwrap();
    cluster.level().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_is_one_still_after_its_restart() {
    let mut cluster = Cluster::with_learners(1, 1, options()).await;
    cluster.put("k", "1").await;
    cluster.level().await;
    cluster.stop(2).await;
    cluster.put("k", "2").await;
    cluster.start(2).await;
    cluster.level().await;
    assert_eq!(cluster.group(2).metrics().role, GroupRole::Learner);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_cannot_be_reached_is_removed() {
    let cluster = Cluster::new(3, patient()).await;
    let leader = cluster.leader().await;
    let away = cluster.follower().await;
    cluster.network.isolate(NodeId::new(away));
    cluster.host(leader).remove_node(GROUP, NodeId::new(away)).await.unwrap();
    cluster.put("k", "v").await;
    assert!(!cluster.group(leader).metrics().voters.contains(&NodeId::new(away)));
    let term = cluster.group(leader).metrics().term;
    // It does not know that it was removed, and deposes nobody when it is back.
    cluster.network.heal();
    for n in 0..20 {
        cluster.put("k", &n.to_string()).await;
    }
    assert_eq!(cluster.group(leader).metrics().term, term);
}

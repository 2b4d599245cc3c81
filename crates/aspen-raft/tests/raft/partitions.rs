//! Networks that fall apart: at most one side serves, and none forgets.

use std::collections::BTreeSet;

use aspen_core::{Consistency, GroupRole, NodeId, Term};
use aspen_raft::RaftOptions;

use crate::cluster::*;

fn set(ids: &[u64]) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId::new).collect()
}

fn impatient() -> RaftOptions {
    RaftOptions { proposal_timeout_ms: 500, read_timeout_ms: 500, ..options() }
}

/// The nodes that take themselves for the leader of their term, by term.
fn leaders(cluster: &Cluster) -> Vec<(Term, NodeId)> {
    let metrics = cluster.ids().into_iter().map(|id| cluster.group(id).metrics());
    let leading = metrics.filter(|metrics| metrics.role == GroupRole::Leader);
    leading.map(|metrics| (metrics.term, metrics.node)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_brain_has_one_leader() {
    let cluster = Cluster::new(5, impatient()).await;
    cluster.put("k", "before").await;
    let old = cluster.leader().await;
    let companion = cluster.follower().await;
    cluster.network.partition(&set(&[old, companion]));
    let new = cluster.leader_but(Some(old)).await;
    assert!(new != companion, "a minority elected a leader");
    write(&cluster.group(new), put("k", "majority")).await.unwrap();
    // The minority acknowledges no write and answers no read that must be fresh.
    for id in [old, companion] {
        write(&cluster.group(id), put("k", "minority")).await.unwrap_err();
        read(&cluster.group(id), "k", Consistency::Linearizable).await.unwrap_err();
    }
    let terms: BTreeSet<Term> = leaders(&cluster).into_iter().map(|(term, _)| term).collect();
    assert_eq!(terms.len(), leaders(&cluster).len(), "two leaders in one term");
    cluster.network.heal();
    cluster.put("after", "v").await;
    cluster.level().await;
    assert_eq!(leaders(&cluster).len(), 1);
    for id in cluster.ids() {
        let value = get(&cluster.group(id), "k", Consistency::Linearizable).await;
        assert_eq!(value.unwrap(), "majority", "at node {id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minority_partition_goes_unnoticed() {
    let cluster = Cluster::new(5, patient()).await;
    let leader = cluster.leader().await;
    let term = cluster.group(leader).metrics().term;
    let minority: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != leader).take(2).collect();
    cluster.network.partition(&set(&minority));
    for n in 0..20 {
        write(&cluster.group(leader), put(&format!("k{n}"), "v")).await.unwrap();
    }
    cluster.network.heal();
    cluster.level().await;
    assert_eq!(leaders(&cluster), [(term, NodeId::new(leader))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_majority_nobody_serves_until_it_is_back() {
    let cluster = Cluster::new(4, impatient()).await;
    cluster.put("k", "before").await;
    let old = cluster.leader().await;
    cluster.network.partition(&set(&[old, cluster.follower().await]));
    for id in cluster.ids() {
        write(&cluster.group(id), put("k", "lost")).await.unwrap_err();
        read(&cluster.group(id), "k", Consistency::Linearizable).await.unwrap_err();
    }
    cluster.network.heal();
    cluster.put("k", "after").await;
    cluster.level().await;
}

//! Restarts, snapshots, purges.

use std::time::Duration;

use aspen_core::{
    ClusterController, Consistency, GroupRole, NodeId, PeerHandler, PeerRejection, PeerRequest,
    codec, runtime,
};

use crate::cluster::*;
use crate::wire::{PRE_VOTE, SNAPSHOT_CHUNK, SNAPSHOT_FINISH};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_restarted_as_a_whole_has_kept_everything() {
    let mut cluster = Cluster::new(3, options()).await;
    for n in 0..100 {
        cluster.put(&format!("k{n}"), &n.to_string()).await;
    }
    for id in 1..=3 {
        cluster.stop(id).await;
    }
    for id in 1..=3 {
        cluster.start(id).await;
    }
    cluster.leader().await;
    for n in 0..100 {
        let group = cluster.group(1 + n % 3);
        let value = get(&group, &format!("k{n}"), Consistency::Linearizable).await;
        assert_eq!(value.unwrap(), n.to_string());
    }
    cluster.put("after", "v").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_node_is_silent_for_a_lease() {
    // Long enough that the question comes within the lease on the slowest machine.
    let patient = aspen_raft::RaftOptions { election_ms_max: 3_000, ..options() };
    let mut cluster = Cluster::new(3, patient).await;
    cluster.put("k", "v").await;
    let follower = cluster.follower().await;
    let ask = || PeerRequest {
        group: GROUP,
        kind: PRE_VOTE,
        payload: codec::encode(&((99u64, 7u64, false), None::<(u64, u64, u64)>, false)).unwrap(),
    };
    let from = NodeId::new(7);
    let before = cluster.host(follower).handle(from, ask()).await;
    assert!(before.is_ok(), "{before:?}");

    cluster.stop(follower).await;
    cluster.start(follower).await;
    let silent = cluster.host(follower).handle(from, ask()).await;
    assert!(matches!(&silent, Err(PeerRejection::Unavailable(why)) if why.contains("silent")));

    let host = cluster.host(follower).clone();
    let speaks = runtime::timeout(PATIENCE, async {
        while host.handle(from, ask()).await.is_err() {
            runtime::sleep(Duration::from_millis(10)).await;
        }
    });
    speaks.await.expect("the silence ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_speaks_at_once() {
    let mut cluster = Cluster::new(1, options()).await;
    cluster.start(2).await;
    let payload = codec::encode(&((9u64, 7u64, false), None::<(u64, u64, u64)>, false)).unwrap();
    let ask = PeerRequest { group: GROUP, kind: PRE_VOTE, payload };
    assert!(cluster.host(2).handle(NodeId::new(7), ask).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_behind_the_log_gets_a_snapshot() {
    let mut cluster = Cluster::new(3, options()).await;
    cluster.put("first", "v").await;
    let lagging = cluster.follower().await;
    cluster.stop(lagging).await;
    for n in 0..200 {
        cluster.put(&format!("k{n}"), &"x".repeat(10_000)).await;
    }
    let applied = cluster.shorten_log().await;

    cluster.start(lagging).await;
    cluster.wait(lagging, |metrics| metrics.applied >= applied).await;
    assert!(cluster.network.delivered(SNAPSHOT_FINISH) > 0);
    assert!(cluster.network.delivered(SNAPSHOT_CHUNK) > 0);
    cluster.put("last", "v").await;
    let group = cluster.group(lagging);
    assert_eq!(get(&group, "k199", Consistency::Linearizable).await.unwrap(), "x".repeat(10_000));
    assert_eq!(get(&group, "last", Consistency::Linearizable).await.unwrap(), "v");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_learner_gets_a_snapshot_and_leads_later() {
    let mut cluster = Cluster::new(1, options()).await;
    for n in 0..50 {
        cluster.put(&format!("k{n}"), "v").await;
    }
    cluster.host(1).trigger_snapshot(GROUP).await.unwrap();
    cluster.wait(1, |metrics| metrics.purged.is_some()).await;
    cluster.start(2).await;
    cluster.host(1).add_learner(GROUP, record(2)).await.unwrap();
    let voters = [1, 2].map(NodeId::new).into_iter().collect();
    cluster.host(1).change_membership(GROUP, voters).await.unwrap();
    cluster.host(1).transfer_leader(GROUP, NodeId::new(2)).await.unwrap();
    cluster.wait(2, |metrics| metrics.role == GroupRole::Leader).await;
    assert_eq!(get(&cluster.group(2), "k0", Consistency::Linearizable).await.unwrap(), "v");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_shortened_without_being_asked() {
    let short = aspen_raft::RaftOptions { log_bytes_kept: 100_000, ..options() };
    let mut cluster = Cluster::new(3, short).await;
    for n in 0..30 {
        cluster.put(&format!("k{n}"), &"x".repeat(10_000)).await;
    }
    for id in cluster.ids() {
        cluster.wait(id, |metrics| metrics.purged.is_some()).await;
    }
    // No snapshot file was needed for it, and a restart goes on from what is durable.
    assert_eq!(cluster.network.delivered(SNAPSHOT_FINISH), 0);
    let id = cluster.follower().await;
    cluster.stop(id).await;
    cluster.start(id).await;
    assert_eq!(
        get(&cluster.group(id), "k29", Consistency::Linearizable).await.unwrap(),
        "x".repeat(10_000)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_compacted_by_age() {
    let forgetful = aspen_raft::RaftOptions { history_ms: 100, ..options() };
    let cluster = Cluster::new(1, forgetful).await;
    let first = cluster.put("k", "1").await.revision;
    cluster.put("k", "2").await;
    let group = cluster.group(1);
    let forgotten = runtime::timeout(PATIENCE, async {
        while read(&group, "k", Consistency::AtRevision(first)).await.is_ok() {
            runtime::sleep(Duration::from_millis(50)).await;
        }
    });
    forgotten.await.expect("history older than its time goes");
    assert_eq!(get(&group, "k", Consistency::Linearizable).await.unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_host_refuses_work() {
    let cluster = Cluster::new(1, options()).await;
    let group = cluster.group(1);
    cluster.host(1).shutdown().await;
    let error = propose(&group, put("k", "v")).await.unwrap_err();
    assert_eq!(error.applied, aspen_core::Applied::No);
    assert!(read(&group, "k", Consistency::Linearizable).await.is_err());
    assert_eq!(group.metrics().role, GroupRole::Stopped);
    assert!(cluster.host(1).group(GROUP).is_none());
}

/// A leader that restarts does not go on in its term, and keeps all that it acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_restart() {
    let mut cluster = Cluster::new(3, options()).await;
    for n in 0..20 {
        cluster.put(&format!("k{n}"), &n.to_string()).await;
    }
    let old = cluster.leader().await;
    let term = cluster.group(old).metrics().term;
    cluster.stop(old).await;
    cluster.start(old).await;
    assert_ne!(cluster.group(old).metrics().role, GroupRole::Leader);
    cluster.put("after", "v").await;
    let leader = cluster.leader().await;
    assert!(cluster.group(leader).metrics().term > term);
    cluster.level().await;
    assert_eq!(get(&cluster.group(old), "k19", Consistency::Linearizable).await.unwrap(), "19");
}

/// Alone, nobody else could have been elected: it leads again, in a later term.
#[tokio::test]
async fn a_single_leader_restarts_and_applies_its_log_again() {
    let mut cluster = Cluster::new(1, options()).await;
    for n in 0..20 {
        cluster.put("k", &n.to_string()).await;
    }
    let before = cluster.group(1).metrics();
    for _ in 0..3 {
        cluster.stop(1).await;
        cluster.start(1).await;
        cluster.leader().await;
    }
    let found = find(&cluster.group(1), "k", Consistency::Linearizable).await.unwrap();
    assert_eq!(found.version, 20);
    assert!(cluster.group(1).metrics().term > before.term);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_restarts_disturbs_nobody() {
    let mut cluster = Cluster::new(3, patient()).await;
    let leader = cluster.leader().await;
    let term = cluster.group(leader).metrics().term;
    let follower = cluster.follower().await;
    for n in 0..3 {
        cluster.stop(follower).await;
        cluster.put("k", &n.to_string()).await;
        cluster.start(follower).await;
        cluster.level().await;
    }
    let metrics = cluster.group(leader).metrics();
    assert_eq!((metrics.role, metrics.term), (GroupRole::Leader, term));
}

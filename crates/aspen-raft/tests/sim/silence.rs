//! Why a restarted replica is silent for one lease.
//!
//! The leader is cut off from its clients' other nodes; both followers restart, and so forget what
//! they promised it. If they elect at once, the old leader answers reads from its lease while a new
//! one takes writes: stale reads. The same scenario runs with the silence and without it.

use std::path::PathBuf;
use std::time::Duration;

use aspen_core::runtime::sim::plant;
use aspen_core::{Consistency, NodeId, runtime};
use aspen_raft::RaftOptions;

use crate::cluster::{Cluster, Stores, simulate};

/// A follower without a lease campaigns long before the lease of its last leader is over.
fn options() -> RaftOptions {
    RaftOptions {
        heartbeat_ms: 100,
        election_ms_min: 400,
        election_ms_max: 4_000,
        ..RaftOptions::default()
    }
}

/// Answers whether the old leader served a value that was overwritten before.
async fn restart_followers(dir: PathBuf) -> bool {
    let cluster = Cluster::new(Stores::Memory, &dir, options()).await;
    cluster.put("k", "old").await;
    let old = cluster.leader_but(None).await;
    // A heartbeat round, so that the lease is fresh.
    runtime::sleep(Duration::from_millis(600)).await;
    cluster.network.isolate(NodeId::new(old), true);
    let followers: Vec<u64> = cluster.up().into_iter().filter(|id| *id != old).collect();
    for id in &followers {
        cluster.kill(*id).await;
    }
    for id in &followers {
        cluster.restart(*id).await;
    }
    let new = cluster.leader_but(Some(old)).await;
    cluster.try_put(new, "k", "new").await.expect("a quorum is there");
    let read = cluster.try_get(old, "k", Consistency::Lease).await;
    cluster.end().await;
    read.is_ok_and(|value| value.as_deref() == Some("old"))
}

#[test]
fn lease_reads_are_fresh_after_followers_restart() {
    for seed in 0..10 {
        assert!(!simulate(seed, restart_followers), "seed {seed}: a stale read");
    }
}

#[test]
fn without_the_silence_they_are_stale() {
    let stale = |seed: &u64| {
        simulate(*seed, |dir| async {
            plant("no-silence");
            restart_followers(dir).await
        })
    };
    assert_ne!((0..10).filter(stale).count(), 0, "the planted bug is not found");
}

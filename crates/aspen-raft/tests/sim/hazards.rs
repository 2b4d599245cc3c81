//! A leader that crashes before its own log holds what it has sent, and the rule about that.
//!
//! The leader's disk hangs while entries reach its followers; then it crashes and loses them. All
//! replicas must agree afterwards; with the rule taken out they do not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime;
use aspen_core::runtime::sim::{NodeId as Machine, plant, planted_reached, set_blocking_time};
use aspen_raft::RaftOptions;

use crate::cluster::{Cluster, Stores, put, simulate};
use crate::storm::same_replicas;

/// Lets a node's log hang for a minute at every commit.
fn hang_log_of(machine: Machine) {
    set_blocking_time(move |worker| {
        let hangs = worker == "aspen-log" && madsim::plugin::node() == machine;
        if hangs { Duration::from_secs(60) } else { Duration::ZERO }
    });
}

/// A cluster whose leader has sent entries to its followers and not synced them itself.
async fn leader_behind(dir: PathBuf) -> (Arc<Cluster>, u64) {
    let cluster = Cluster::new(Stores::Real, &dir, RaftOptions::default()).await;
    cluster.put("k", "first").await;
    let old = cluster.leader_but(None).await;
    // Followers hear of the commit, and the leader's disk comes to rest.
    runtime::sleep(Duration::from_secs(2)).await;
    hang_log_of(cluster.machine(old));
    let cluster = Arc::new(cluster);
    for number in 0..5 {
        let (cluster, proposal) = (cluster.clone(), put("k", &format!("lost {number}")));
        runtime::spawn(async move { cluster.propose(old, proposal).await });
        runtime::sleep(Duration::from_millis(50)).await;
    }
    (cluster, old)
}

/// Crashes a node, brings it back on a disk that works, and compares the replicas.
async fn crash_and_compare(cluster: &Cluster, id: u64) -> Result<(), String> {
    cluster.kill(id).await;
    set_blocking_time(|_| Duration::ZERO);
    cluster.restart(id).await;
    cluster.put("k", "last").await;
    let result = same_replicas(cluster).await;
    cluster.end().await;
    result
}

/// A leader that goes on in its old term uses the positions of the lost entries again.
async fn restored_leader(dir: PathBuf) -> Result<(), String> {
    let (cluster, old) = leader_behind(dir).await;
    crash_and_compare(&cluster, old).await
}

/// Runs a scenario; a replica that panics is a violation too.
fn outcome<F>(
    bug: Option<&'static str>,
    seed: u64,
    scenario: fn(PathBuf) -> F,
) -> Result<(), String>
where
    F: Future<Output = Result<(), String>> + 'static,
{
    let run = move |dir| async move {
        bug.into_iter().for_each(plant);
        let result = scenario(dir).await;
        assert!(bug.is_none_or(|bug| planted_reached().contains_key(bug)), "{bug:?} is misspelt");
        result
    };
    let crashed = |_| Err("a replica crashed".to_owned());
    catch_unwind(AssertUnwindSafe(|| simulate(seed, run))).unwrap_or_else(crashed)
}

fn rule_protects<F>(bug: &'static str, scenario: fn(PathBuf) -> F)
where
    F: Future<Output = Result<(), String>> + 'static,
{
    for seed in 0..10 {
        assert_eq!(outcome(None, seed, scenario), Ok(()), "seed {seed} without the bug");
    }
    let violations = (0..10).filter_map(|seed| outcome(Some(bug), seed, scenario).err());
    let violations: Vec<String> = violations.collect();
    println!("{bug}: {} of 10 seeds, {:?}", violations.len(), violations.first());
    assert!(!violations.is_empty(), "{bug} is not found");
}

#[test]
fn a_restarted_leader_does_not_go_on_in_its_term() {
    rule_protects("leader-restore", restored_leader);
}

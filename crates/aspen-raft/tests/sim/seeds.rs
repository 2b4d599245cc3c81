//! The same seed gives the same run, to the nanosecond and the byte.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use aspen_core::runtime;
use aspen_core::runtime::sim::{buggify_everywhere, set_blocking_time};
use aspen_raft::RaftOptions;

use crate::cluster::{Cluster, Stores, simulate};
use crate::storm::storm;
use crate::trace::Trace;

/// The network loses single messages, which a connection would not do. That the last message of a
/// snapshot was lost shows only when its answer is overdue; by default that takes as long as the
/// test has patience (seed 1).
fn options() -> RaftOptions {
    RaftOptions { install_timeout_ms: 10_000, ..RaftOptions::default() }
}

/// Elects, writes, loses the leader, elects again, gets it back; answers what happened.
async fn lose_a_leader(stores: Stores, dir: PathBuf) -> Trace {
    set_blocking_time(|_| std::time::Duration::from_micros(runtime::random_u64() % 3_000));
    buggify_everywhere(0.25, 0.1);
    let cluster = Cluster::new(stores, &dir, options()).await;
    cluster.network.set_lost_percent(2);
    for number in 0..20 {
        cluster.put(&format!("k{number}"), "before").await;
    }
    let old = cluster.leader_but(None).await;
    cluster.kill(old).await;
    let new = cluster.leader_but(Some(old)).await;
    assert_ne!(new, old);
    for number in 10..30 {
        cluster.put(&format!("k{number}"), "after").await;
    }
    for id in cluster.up() {
        assert_eq!(cluster.get(id, "k5").await.as_deref(), Some("before"));
        assert_eq!(cluster.get(id, "k15").await.as_deref(), Some("after"));
    }
    cluster.restart(old).await;
    cluster.put("last", "one").await;
    for number in 0..30 {
        let expected = if number < 10 { "before" } else { "after" };
        assert_eq!(cluster.get(old, &format!("k{number}")).await.as_deref(), Some(expected));
    }
    assert_eq!(cluster.get(old, "last").await.as_deref(), Some("one"));
    cluster.end().await
}

type Events = Vec<(u128, String)>;

fn leader_lost(stores: Stores, seed: u64) -> Events {
    simulate(seed, move |dir| lose_a_leader(stores, dir)).events()
}

fn stormy(stores: Stores, seed: u64) -> Events {
    let (trace, result) = simulate(seed, move |dir| storm(stores, dir));
    assert_eq!(result, Ok(()), "seed {seed} of {stores:?}");
    trace.events()
}

/// For comparing runs of different processes by eye.
fn digest(trace: &Events) -> u64 {
    let mut hasher = DefaultHasher::new();
    trace.hash(&mut hasher);
    hasher.finish()
}

/// Shows where two traces part.
fn assert_same(first: &Events, second: &Events, seed: u64) {
    let parted = first.iter().zip(second).position(|(one, other)| one != other);
    if let Some(at) = parted {
        let before = at.saturating_sub(5);
        let after = (at + 3).min(first.len()).min(second.len());
        let (one, other) = (&first[before..after], &second[before..after]);
        panic!("seed {seed} parts at event {at}: {one:#?} and {other:#?}");
    }
    assert_eq!(first.len(), second.len(), "seed {seed}: one run has more events");
}

fn same_seed_same_trace(run: fn(Stores, u64) -> Events, stores: Stores, seeds: u64) {
    let mut traces = Vec::new();
    for seed in 0..seeds {
        let trace = run(stores, seed);
        assert!(trace.len() > 100, "seed {seed}: {} events", trace.len());
        println!("{stores:?}, seed {seed}: {} events, {:016x}", trace.len(), digest(&trace));
        assert_same(&trace, &run(stores, seed), seed);
        traces.push(trace);
    }
    for (seed, pair) in traces.windows(2).enumerate() {
        assert_ne!(pair[0], pair[1], "seeds {seed} and {} differ", seed + 1);
    }
}

#[test]
fn memory_stores_repeat() {
    same_seed_same_trace(leader_lost, Stores::Memory, 4);
}

#[test]
fn real_stores_repeat() {
    same_seed_same_trace(leader_lost, Stores::Real, 4);
}

#[test]
fn slow_storms_over_memory_stores_repeat() {
    same_seed_same_trace(stormy, Stores::Memory, 10);
}

#[test]
fn slow_storms_over_real_stores_repeat() {
    same_seed_same_trace(stormy, Stores::Real, 10);
}

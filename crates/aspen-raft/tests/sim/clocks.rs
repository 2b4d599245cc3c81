//! The runtime seam under simulation: clocks that differ, blocking work that takes time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aspen_core::runtime::sim::{Skew, set_blocking_time, set_clock};
use aspen_core::runtime::{self, watch};
use madsim::runtime::Handle;
use madsim::time::TimeHandle;

use crate::cluster::simulate;

/// What a fast node's sleep of ten seconds takes in simulated time, and what its clocks show.
async fn ten_seconds_of_a_fast_node() -> (Duration, Duration, i64) {
    let node = Handle::current().create_node().build();
    set_clock(node.id(), Skew { wall_ms: -5_000, rate_ppm: 250_000 });
    let true_wall_ms = runtime::unix_time_ms() as i64;
    let node_wall_ms = node.spawn(async { runtime::unix_time_ms() as i64 }).await.unwrap();
    let start = TimeHandle::current().elapsed();
    let shown = node.spawn(async {
        let begun = runtime::now();
        runtime::sleep(Duration::from_secs(10)).await;
        runtime::now() - begun
    });
    let shown = shown.await.unwrap();
    (TimeHandle::current().elapsed() - start, shown, node_wall_ms - true_wall_ms)
}

#[test]
fn a_node_with_a_fast_clock_sleeps_less() {
    let (passed, shown, wall_ms) = simulate(1, |_| ten_seconds_of_a_fast_node());
    let near = |duration: Duration, seconds: u64| {
        duration.abs_diff(Duration::from_secs(seconds)) < Duration::from_millis(10)
    };
    assert!(near(passed, 8), "{passed:?}");
    assert!(near(shown, 10), "{shown:?}");
    assert!((-5_001..=-4_999).contains(&wall_ms), "{wall_ms} ms");
}

async fn change_of_skew() {
    let node = Handle::current().create_node().build();
    let id = node.id();
    let (reports, mut reported) = tokio::sync::mpsc::channel(1_000);
    node.spawn(async move {
        while reports.send(runtime::now()).await.is_ok() {
            runtime::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut last = None;
    for round in 0..100 {
        let rate_ppm = if round % 2 == 0 { 300_000 } else { -300_000 };
        set_clock(id, Skew { wall_ms: 0, rate_ppm });
        let now = reported.recv().await.unwrap();
        assert!(last.is_none_or(|last| last < now), "the clock went back");
        last = Some(now);
    }
}

#[test]
fn a_clock_that_changes_its_speed_never_goes_back() {
    simulate(1, |_| change_of_skew());
}

async fn slow_worker() -> (u64, Duration) {
    set_blocking_time(|worker| match worker {
        "slow" => Duration::from_secs(1),
        _ => Duration::ZERO,
    });
    let steps = Arc::new(AtomicU64::new(0));
    let counted = steps.clone();
    let step = move |batch: &mut Vec<tokio::sync::oneshot::Sender<()>>| {
        counted.fetch_add(1, Ordering::Relaxed);
        batch.drain(..).for_each(|done| done.send(()).unwrap());
    };
    let worker = runtime::spawn_worker("slow", 100, 100, step).unwrap();
    let start = TimeHandle::current().elapsed();
    let (first, first_done) = tokio::sync::oneshot::channel();
    worker.send(first).await.unwrap();
    // The first step is under way now; what comes meanwhile shares the second.
    runtime::sleep(Duration::from_millis(500)).await;
    let mut others = Vec::new();
    for _ in 0..10 {
        let (other, done) = tokio::sync::oneshot::channel();
        worker.send(other).await.unwrap();
        others.push(done);
    }
    first_done.await.unwrap();
    for done in others {
        done.await.unwrap();
    }
    (steps.load(Ordering::Relaxed), TimeHandle::current().elapsed() - start)
}

#[test]
fn a_slow_worker_merges_what_waits_for_it() {
    let (steps, took) = simulate(1, |_| slow_worker());
    assert_eq!(steps, 2);
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(3), "{took:?}");
}

async fn order_of_waiters() -> Vec<u32> {
    let (sender, receiver) = watch::channel(0);
    let (report, mut reported) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..20 {
        let (mut receiver, report) = (receiver.clone(), report.clone());
        runtime::spawn(async move {
            receiver.wait_for(|value| *value == 1).await.unwrap();
            report.send(number).unwrap();
        });
    }
    drop(report);
    runtime::sleep(Duration::from_secs(1)).await;
    sender.send(1).unwrap();
    let mut order = Vec::new();
    while let Some(number) = reported.recv().await {
        order.push(number);
    }
    order
}

#[test]
fn watchers_wake_alike_in_every_run_of_a_seed() {
    let first = simulate(7, |_| order_of_waiters());
    assert_eq!(first.len(), 20);
    for _ in 0..5 {
        assert_eq!(simulate(7, |_| order_of_waiters()), first);
    }
    assert_ne!(simulate(8, |_| order_of_waiters()), first);
}

//! Waiting together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aspen_core::runtime;
use aspen_layers::coordination::CoordinationError;
use futures_util::future::join_all;

use crate::process::{Process, TTL, below, settle};

#[tokio::test(start_paused = true)]
async fn a_barrier_stands_while_anybody_holds_it() {
    let process = Process::default();
    let barrier = process.coordinator().barrier("a").unwrap();
    barrier.wait().await.unwrap();
    let holders = [barrier.hold().await.unwrap(), barrier.hold().await.unwrap()];
    let waiting = runtime::spawn({
        let barrier = barrier.clone();
        async move { barrier.wait().await }
    });
    for holder in holders {
        let early = barrier.wait_within(Duration::from_millis(100)).await.unwrap_err();
        assert_eq!(early, CoordinationError::DeadlinePassed);
        assert!(!waiting.is_finished());
        holder.release().await.unwrap();
    }
    waiting.await.unwrap().unwrap();
    assert_eq!(process.keys().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_barrier_falls_with_its_holder() {
    let dying = Process::default();
    let held = dying.coordinator().barrier("a").unwrap().hold().await.unwrap();
    dying.cut();
    dying.other().coordinator().barrier("a").unwrap().wait_within(2 * TTL).await.unwrap();
    assert!(!held.is_held());
}

#[tokio::test(start_paused = true)]
async fn members_begin_and_end_each_round_together() {
    const MEMBERS: u32 = 4;
    const ROUNDS: u32 = 3;
    let process = Process::default();
    let (begun, ended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let members = (0..MEMBERS).map(|_| {
        let (begun, ended) = (begun.clone(), ended.clone());
        let barrier = process.other().coordinator().double_barrier("a", MEMBERS).unwrap();
        async move {
            for round in 0..ROUNDS {
                runtime::sleep(Duration::from_millis(below(100))).await;
                begun.fetch_add(1, Ordering::SeqCst);
                let guard = loop {
                    match barrier.enter().await {
                        Ok(guard) => break guard,
                        // Some have not left the last round yet.
                        Err(CoordinationError::Full { .. }) => settle().await,
                        Err(error) => panic!("{error}"),
                    }
                };
                assert_eq!(begun.load(Ordering::SeqCst), (round + 1) * MEMBERS);
                assert!(ended.load(Ordering::SeqCst) >= round * MEMBERS);
                runtime::sleep(Duration::from_millis(below(100))).await;
                ended.fetch_add(1, Ordering::SeqCst);
                guard.leave().await.unwrap();
                assert!(ended.load(Ordering::SeqCst) >= (round + 1) * MEMBERS);
            }
        }
    });
    join_all(members).await;
    assert_eq!(process.keys().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_double_barrier_does_not_count_the_dead() {
    let process = Process::default();
    let barrier = process.coordinator().double_barrier("a", 2).unwrap();
    let dying = process.other();
    let dead = runtime::spawn({
        let barrier = dying.coordinator().double_barrier("a", 2).unwrap();
        async move { barrier.enter().await.map(drop) }
    });
    settle().await;
    dying.cut();
    runtime::sleep(2 * TTL).await;
    assert!(dead.await.unwrap().is_err());
    let alone = barrier.enter_within(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(alone, CoordinationError::DeadlinePassed);
    settle().await;

    // One that dies inside does not hold up the other, nor the next round.
    let dying = process.other();
    let partner = dying.coordinator().double_barrier("a", 2).unwrap();
    let (inside, dead) = tokio::join!(barrier.enter(), partner.enter());
    let (inside, dead) = (inside.unwrap(), dead.unwrap());
    assert!(inside.is_held());
    let third = barrier.enter().await.unwrap_err();
    assert_eq!(third, CoordinationError::Full { members: 2 });
    dying.cut();
    dead.lost().await;
    inside.leave().await.unwrap();
    let (one, two) = tokio::join!(barrier.enter(), barrier.enter());
    drop((one.unwrap(), two.unwrap()));
}

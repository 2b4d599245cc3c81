//! Never more permits than there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aspen_core::{ErrorKind, runtime};
use aspen_layers::coordination::{CoordinationError, SEMAPHORE_PERMITS_MAX};
use futures_util::future::join_all;

use crate::process::{Process, TTL, below, settle};

const PERMITS: u32 = 3;

#[tokio::test(start_paused = true)]
async fn at_random_never_more_than_its_permits_are_held() {
    let process = Process::default();
    let held = Arc::new(AtomicU32::new(0));
    let most = Arc::new(AtomicU32::new(0));
    let clients = (0..8).map(|_| {
        let (held, most) = (held.clone(), most.clone());
        let semaphore = process.other().coordinator().semaphore("a", PERMITS).unwrap();
        async move {
            for _ in 0..5 {
                runtime::sleep(Duration::from_millis(below(30))).await;
                let permits = 1 + below(u64::from(PERMITS)) as u32;
                let patience = Duration::from_millis(below(200));
                let guard = match below(3) {
                    0 => semaphore.try_acquire_many(permits).await.unwrap(),
                    1 => semaphore.acquire_many_within(permits, patience).await.ok(),
                    _ => Some(semaphore.acquire_many(permits).await.unwrap()),
                };
                let Some(guard) = guard else { continue };
                let now = held.fetch_add(permits, Ordering::SeqCst) + permits;
                assert!(now <= PERMITS, "{now}");
                most.fetch_max(now, Ordering::SeqCst);
                runtime::sleep(Duration::from_millis(below(30))).await;
                held.fetch_sub(permits, Ordering::SeqCst);
                guard.release().await.unwrap();
            }
        }
    });
    join_all(clients).await;
    assert_eq!(most.load(Ordering::SeqCst), PERMITS, "all permits were in use at some time");
    settle().await;
    assert_eq!(process.keys().await, 1, "only the number of permits stays");
}

#[tokio::test(start_paused = true)]
async fn who_wants_many_is_not_passed_by_those_who_want_few() {
    let process = Process::default();
    let semaphore = process.coordinator().semaphore("a", PERMITS).unwrap();
    let one = semaphore.acquire().await.unwrap();
    let all = runtime::spawn({
        let semaphore = semaphore.clone();
        async move { semaphore.acquire_many(PERMITS).await.unwrap() }
    });
    settle().await;
    assert!(semaphore.try_acquire_many(1).await.unwrap().is_none());
    one.release().await.unwrap();
    let all = all.await.unwrap();
    all.release().await.unwrap();
    assert!(semaphore.try_acquire_many(PERMITS).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn permits_of_the_dead_come_back() {
    let dying = Process::default();
    let held = dying.coordinator().semaphore("a", 1).unwrap().acquire().await.unwrap();
    dying.cut();
    let semaphore = dying.other().coordinator().semaphore("a", 1).unwrap();
    let guard = semaphore.acquire_many_within(1, 2 * TTL).await.unwrap();
    assert!(!held.is_held() && guard.is_held() && guard.token() > held.token());
}

#[tokio::test(start_paused = true)]
async fn who_names_another_number_is_refused() {
    let process = Process::default();
    let coordinator = process.coordinator();
    let guard = coordinator.semaphore("a", 2).unwrap().acquire().await.unwrap();
    let error = coordinator.semaphore("a", 3).unwrap().acquire().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("3 where others say 2"), "{error}");
    let error = coordinator.semaphore("a", 2).unwrap().acquire_many(3).await.unwrap_err();
    assert!(matches!(error, CoordinationError::Invalid(_)), "{error}");
    let error = coordinator.semaphore("a", SEMAPHORE_PERMITS_MAX + 1).unwrap_err();
    assert!(error.to_string().contains("SEMAPHORE_PERMITS_MAX"), "{error}");
    guard.release().await.unwrap();
}

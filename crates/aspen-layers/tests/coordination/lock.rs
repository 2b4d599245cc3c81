//! One holds at a time, in the order in which they came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aspen_core::{Value, runtime};
use aspen_layers::coordination::CoordinationError;
use futures_util::future::join_all;
use parking_lot::Mutex;

use crate::process::{Process, TTL, below, settle};

#[tokio::test(start_paused = true)]
async fn a_lock_is_held_by_one_and_handed_over_in_order() {
    let process = Process::default();
    let lock = process.coordinator().lock("a").unwrap();
    let first = lock.lock().await.unwrap();
    assert!(lock.try_lock().await.unwrap().is_none());
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for number in 0..4 {
        let (lock, order) = (lock.clone(), order.clone());
        waiting.push(runtime::spawn(async move {
            let guard = lock.lock().await.unwrap();
            order.lock().push((number, guard.token()));
            guard.release().await.unwrap();
        }));
        settle().await;
    }
    assert!(order.lock().is_empty());
    first.release().await.unwrap();
    for waiter in waiting {
        waiter.await.unwrap();
    }
    let order = order.lock().clone();
    assert_eq!(order.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(order.is_sorted_by_key(|(_, token)| *token));
    assert_eq!(process.keys().await, 0);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_never_hold_together_and_tokens_grow() {
    let process = Process::default();
    let inside = Arc::new(AtomicU64::new(0));
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let clients = (0..8).map(|_| {
        let (inside, tokens) = (inside.clone(), tokens.clone());
        let lock = process.other().coordinator().lock("a").unwrap();
        async move {
            for _ in 0..6 {
                runtime::sleep(Duration::from_millis(below(40))).await;
                let guard = match below(3) {
                    0 => lock.try_lock().await.unwrap(),
                    1 => lock.lock_within(Duration::from_millis(below(60))).await.ok(),
                    _ => Some(lock.lock().await.unwrap()),
                };
                let Some(guard) = guard else { continue };
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                tokens.lock().push(guard.token());
                runtime::sleep(Duration::from_millis(below(30))).await;
                assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                match below(2) {
                    0 => drop(guard),
                    _ => guard.release().await.unwrap(),
                }
            }
        }
    });
    join_all(clients).await;
    let tokens = tokens.lock().clone();
    assert!(tokens.windows(2).all(|pair| pair[0] < pair[1]), "{tokens:?}");
    settle().await;
    assert_eq!(process.keys().await, 0, "nobody is left in line");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_dies_is_replaced_when_its_lease_ends_and_not_before() {
    let dying = Process::default();
    let lock = dying.other().coordinator().lock("a").unwrap();
    let held = dying.coordinator().lock("a").unwrap().lock().await.unwrap();
    dying.cut();
    let died = runtime::now();
    assert_eq!(lock.lock_within(TTL / 2).await.unwrap_err(), CoordinationError::DeadlinePassed);
    let guard = lock.lock().await.unwrap();
    assert!(runtime::now() - died >= TTL * 2 / 3, "its lease was renewed every third of the TTL");
    assert!(!held.is_held());
    assert!(guard.token() > held.token());
    assert!(guard.is_held() && guard.remaining() <= TTL);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_dies_is_passed_over() {
    let process = Process::default();
    let first = process.coordinator().lock("a").unwrap().lock().await.unwrap();
    let dying = process.other();
    let waiter = runtime::spawn({
        let lock = dying.coordinator().lock("a").unwrap();
        async move { lock.lock().await.map(|guard| guard.token()) }
    });
    settle().await;
    let last = runtime::spawn({
        let lock = process.other().coordinator().lock("a").unwrap();
        async move { lock.lock().await.unwrap() }
    });
    settle().await;
    dying.cut();
    runtime::sleep(2 * TTL).await;
    first.release().await.unwrap();
    assert!(last.await.unwrap().is_held());
    assert!(waiter.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_leaves_the_line() {
    let process = Process::default();
    let lock = process.coordinator().lock("a").unwrap();
    let first = lock.lock().await.unwrap();
    let error = lock.lock_within(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error, CoordinationError::DeadlinePassed);
    settle().await;
    assert_eq!(process.keys().await, 1);
    first.release().await.unwrap();
    assert!(lock.try_lock().await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_guard_tells_when_it_is_lost() {
    let process = Process::default();
    let lock = process.coordinator().lock("a").unwrap();
    let guard = lock.lock().await.unwrap();
    runtime::sleep(10 * TTL).await;
    assert!(guard.is_held(), "it is kept alive");
    let lease = aspen_core::Leases::list(&process).await.unwrap()[0];
    aspen_core::Leases::revoke(&process, lease).await.unwrap();
    guard.lost().await;
    assert!(!guard.is_held());
    assert_eq!(guard.remaining(), Duration::ZERO);
    assert_eq!(guard.release().await.unwrap_err(), CoordinationError::LeaseLost);
}

#[tokio::test(start_paused = true)]
async fn others_see_who_holds_it() {
    let process = Process::default();
    let identity = Value::try_from("host-7").unwrap();
    let coordinator = process.coordinator().with_identity(identity.clone());
    let lock = coordinator.lock("a").unwrap();
    assert_eq!(lock.holder().await.unwrap(), None);
    let guard = lock.lock().await.unwrap();
    let holder = lock.holder().await.unwrap().unwrap();
    assert_eq!((holder.token, holder.identity), (guard.token(), identity));
    assert!(coordinator.lock("b").unwrap().try_lock().await.unwrap().is_some());
}

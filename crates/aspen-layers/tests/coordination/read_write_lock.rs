//! Many readers or one writer, first come, first served.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aspen_core::runtime;
use aspen_layers::coordination::CoordinationError;
use futures_util::future::join_all;

use crate::process::{Process, TTL, below, settle};

#[tokio::test(start_paused = true)]
async fn readers_share_and_writers_do_not() {
    let process = Process::default();
    let lock = process.coordinator().read_write_lock("a").unwrap();
    let readers = [lock.read().await.unwrap(), lock.read().await.unwrap()];
    assert!(lock.try_write().await.unwrap().is_none());
    let writer = runtime::spawn({
        let lock = lock.clone();
        async move { lock.write().await.unwrap() }
    });
    settle().await;
    // A reader that comes after a writer waits for it, or writers might wait for ever.
    assert!(lock.try_read().await.unwrap().is_none());
    let late = lock.read_within(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(late, CoordinationError::DeadlinePassed);
    for reader in readers {
        assert!(!writer.is_finished());
        reader.release().await.unwrap();
        settle().await;
    }
    let writer = writer.await.unwrap();
    assert!(lock.try_read().await.unwrap().is_none());
    let late = lock.write_within(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(late, CoordinationError::DeadlinePassed);
    writer.release().await.unwrap();
    settle().await;
    let reader = lock.try_read().await.unwrap().unwrap();
    reader.release().await.unwrap();
    assert_eq!(process.keys().await, 0);
}

#[tokio::test(start_paused = true)]
async fn at_random_no_writer_is_ever_beside_another() {
    let process = Process::default();
    // Readers count up, a writer takes a thousand.
    let inside = Arc::new(AtomicI64::new(0));
    let clients = (0..8).map(|_| {
        let inside = inside.clone();
        let lock = process.other().coordinator().read_write_lock("a").unwrap();
        async move {
            for _ in 0..6 {
                runtime::sleep(Duration::from_millis(below(40))).await;
                let (guard, weight) = match below(3) {
                    0 => (lock.write().await.unwrap(), 1_000),
                    _ => (lock.read().await.unwrap(), 1),
                };
                let before = inside.fetch_add(weight, Ordering::SeqCst);
                assert!(if weight == 1 { before < 1_000 } else { before == 0 }, "{before}");
                runtime::sleep(Duration::from_millis(below(30))).await;
                inside.fetch_sub(weight, Ordering::SeqCst);
                guard.release().await.unwrap();
            }
        }
    });
    join_all(clients).await;
    assert_eq!(process.keys().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_dies_lets_readers_in_with_a_higher_token() {
    let dying = Process::default();
    let writer = dying.coordinator().read_write_lock("a").unwrap().write().await.unwrap();
    dying.cut();
    let lock = dying.other().coordinator().read_write_lock("a").unwrap();
    let reader = lock.read_within(2 * TTL).await.unwrap();
    assert!(reader.token() > writer.token() && !writer.is_held());
}

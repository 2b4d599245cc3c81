//! Messages are delivered until they are acknowledged, and not for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{ErrorKind, Value, runtime};
use aspen_layers::coordination::{CoordinationError, Queue, QueueOptions, QueueStatus};
use futures_util::future::join_all;
use parking_lot::Mutex;

use crate::process::{Process, below, settle};

const VISIBILITY: Duration = Duration::from_secs(2);

fn queue(process: &Process, attempts_max: u32) -> Queue {
    let options = QueueOptions { visibility: VISIBILITY, attempts_max };
    process.coordinator().queue("jobs", options).unwrap()
}

fn body(number: u64) -> Value {
    Value::try_from(number.to_string().as_str()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_order_and_once_when_all_goes_well() {
    let process = Process::default();
    let queue = queue(&process, 3);
    assert!(queue.try_dequeue().await.unwrap().is_none());
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(queue.enqueue(body(number)).await.unwrap());
    }
    assert!(ids.is_sorted());
    let status = QueueStatus { ready: 5, in_flight: 0, dead: 0 };
    assert_eq!(queue.status().await.unwrap(), status);
    for (number, id) in ids.into_iter().enumerate() {
        let message = queue.dequeue().await.unwrap();
        assert_eq!(
            (message.id(), message.body(), message.attempt()),
            (id, &body(number as u64), 1)
        );
        message.ack().await.unwrap();
    }
    runtime::sleep(3 * VISIBILITY).await;
    assert!(queue.try_dequeue().await.unwrap().is_none());
    assert_eq!(process.keys().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_acknowledges_comes_again_and_ends_as_a_dead_letter() {
    let process = Process::default();
    let queue = queue(&process, 3);
    let id = queue.enqueue(body(7)).await.unwrap();
    for attempt in 1..=3 {
        let message = queue.dequeue().await.unwrap();
        let taken = runtime::now();
        assert_eq!((message.id(), message.attempt()), (id, attempt));
        assert!(queue.try_dequeue().await.unwrap().is_none(), "it is invisible");
        match attempt {
            1 => {
                runtime::sleep(VISIBILITY).await;
                settle().await;
                assert_eq!(message.ack().await.unwrap_err(), CoordinationError::LeaseLost);
            }
            2 => message.give_back().await.unwrap(),
            _ => drop(message),
        }
        assert!(attempt != 2 || runtime::now() < taken + VISIBILITY);
    }
    let late = queue.dequeue_within(3 * VISIBILITY).await.unwrap_err();
    assert_eq!(late, CoordinationError::DeadlinePassed);
    let status = QueueStatus { ready: 0, in_flight: 0, dead: 1 };
    assert_eq!(queue.status().await.unwrap(), status);
    let dead = queue.dead_letters(10).await.unwrap();
    assert_eq!((dead[0].id, &dead[0].body, dead[0].attempts), (id, &body(7), 3));

    assert!(queue.revive(id).await.unwrap());
    assert!(!queue.revive(id).await.unwrap());
    let message = queue.dequeue().await.unwrap();
    assert_eq!((message.id(), message.body(), message.attempt()), (id, &body(7), 1));
    message.ack().await.unwrap();
    assert!(!queue.discard(id).await.unwrap());
    assert_eq!(process.keys().await, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_needs_longer_extends_the_time() {
    let process = Process::default();
    let queue = queue(&process, 1);
    queue.enqueue(body(1)).await.unwrap();
    let message = queue.dequeue().await.unwrap();
    for _ in 0..5 {
        runtime::sleep(VISIBILITY * 3 / 4).await;
        message.extend(VISIBILITY).await.unwrap();
        assert!(queue.try_dequeue().await.unwrap().is_none());
    }
    let error = message.extend(Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    runtime::sleep(2 * VISIBILITY).await;
    assert_eq!(message.extend(VISIBILITY).await.unwrap_err(), CoordinationError::LeaseLost);
    assert!(queue.try_dequeue().await.unwrap().is_none());
    let dead = queue.dead_letters(1).await.unwrap();
    assert!(queue.discard(dead[0].id).await.unwrap());
    assert_eq!(process.keys().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_taker_that_waits_is_woken() {
    let process = Process::default();
    let queue = queue(&process, 2);
    let waiting = runtime::spawn({
        let queue = queue.clone();
        async move { queue.dequeue().await.unwrap() }
    });
    settle().await;
    queue.enqueue(body(1)).await.unwrap();
    let first = waiting.await.unwrap();
    // The next one waits for the timeout of the first.
    let again = queue.dequeue().await.unwrap();
    assert_eq!((again.id(), again.attempt()), (first.id(), 2));
    again.ack().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn at_random_every_message_is_done_and_no_two_have_one_at_once() {
    const MESSAGES: u64 = 25;
    let process = Process::default();
    let done = Arc::new(Mutex::new(BTreeMap::new()));
    let at_work = Arc::new(Mutex::new(BTreeSet::new()));
    let enqueuing = (0..MESSAGES).map(|number| {
        let queue = queue(&process.other(), 1_000);
        async move {
            runtime::sleep(Duration::from_millis(below(300))).await;
            queue.enqueue(body(number)).await.unwrap();
        }
    });
    let takers = (0..5).map(|_| {
        let (queue, done, at_work) =
            (queue(&process.other(), 1_000), done.clone(), at_work.clone());
        async move {
            while done.lock().len() < MESSAGES as usize {
                let Ok(message) = queue.dequeue_within(VISIBILITY).await else { continue };
                assert!(at_work.lock().insert(message.id()), "two have {}", message.id());
                runtime::sleep(Duration::from_millis(below(50))).await;
                at_work.lock().remove(&message.id());
                match below(4) {
                    0 => drop(message),
                    1 => message.give_back().await.unwrap(),
                    _ => {
                        *done.lock().entry(message.body().clone()).or_insert(0) += 1;
                        message.ack().await.unwrap();
                    }
                }
            }
        }
    });
    tokio::join!(join_all(enqueuing), join_all(takers));
    let done = done.lock().clone();
    assert_eq!(done, (0..MESSAGES).map(|number| (body(number), 1)).collect());
    assert_eq!(process.keys().await, 0);
}

//! One leads at a time, and observers are told in order.

use std::time::Duration;

use aspen_core::{Value, runtime};
use aspen_layers::coordination::{CoordinationError, Leader};
use futures_util::{StreamExt, TryStreamExt};

use crate::process::{Process, TTL, settle};

fn value(text: &str) -> Value {
    Value::try_from(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn candidates_lead_one_after_the_other_and_are_observed_in_order() {
    let process = Process::default();
    let election = process.coordinator().election("db").unwrap();
    assert_eq!(election.leader().await.unwrap(), None);
    let told = runtime::spawn(election.observe().take(7).try_collect::<Vec<Leader>>());
    settle().await;

    let mut expected = Vec::new();
    for round in 0..2 {
        let first = election.campaign(value("a")).await.unwrap();
        let waiting = runtime::spawn({
            let election = election.clone();
            async move { election.campaign(value("b")).await.unwrap() }
        });
        settle().await;
        expected.push((first.token(), value("a")));
        if round == 0 {
            for text in ["a1", "a2", "a3"] {
                first.proclaim(value(text)).await.unwrap();
                expected.push((first.token(), value(text)));
            }
        }
        assert!(!waiting.is_finished());
        first.resign().await.unwrap();
        let second = waiting.await.unwrap();
        assert!(second.token() > expected.last().unwrap().0);
        let leader = election.leader().await.unwrap().unwrap();
        assert_eq!((leader.token, leader.value), (second.token(), value("b")));
        expected.push((second.token(), value("b")));
        second.resign().await.unwrap();
    }
    let told = told.await.unwrap().unwrap();
    let told: Vec<_> = told.into_iter().map(|leader| (leader.token, leader.value)).collect();
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn an_observer_survives_the_compaction_of_what_it_missed() {
    let process = Process::default();
    let election = process.coordinator().election("db").unwrap();
    let mut leaders = election.observe();
    let leader = election.campaign(value("0")).await.unwrap();
    assert_eq!(leaders.next().await.unwrap().unwrap().value, value("0"));
    for number in 1..5 {
        leader.proclaim(value(&number.to_string())).await.unwrap();
    }
    process.store.compact(process.store.revision()).unwrap();
    assert_eq!(leaders.next().await.unwrap().unwrap().value, value("4"));
    leader.proclaim(value("5")).await.unwrap();
    assert_eq!(leaders.next().await.unwrap().unwrap().value, value("5"));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_is_replaced_and_may_not_proclaim() {
    let dying = Process::default();
    let old = dying.coordinator().election("db").unwrap().campaign(value("old")).await.unwrap();
    dying.cut();
    let election = dying.other().coordinator().election("db").unwrap();
    let new = election.campaign_within(value("new"), 2 * TTL).await.unwrap();
    assert!(!old.is_held() && new.is_held() && new.token() > old.token());
    // Its lease is over, whoever asks.
    let lease = aspen_core::Leases::list(&dying.store).await.unwrap();
    assert_eq!(lease.len(), 1);
    let late = election.campaign_within(value("late"), Duration::from_millis(50)).await;
    assert_eq!(late.unwrap_err(), CoordinationError::DeadlinePassed);
    aspen_core::Leases::revoke(&dying.store, lease[0]).await.unwrap();
    assert_eq!(new.proclaim(value("x")).await.unwrap_err(), CoordinationError::LeaseLost);
    settle().await;
    assert_eq!(election.leader().await.unwrap(), None);
}

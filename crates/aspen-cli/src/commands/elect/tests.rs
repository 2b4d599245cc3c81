#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use aspen_core::{MemoryStore, runtime};
use clap::Parser;
use rustix::process::Signal;
use tokio::sync::mpsc;

use super::*;
use crate::args::{Cli, Command};
use crate::output::tests::Captured;

/// Runs a command line against a store; answers what was printed and the exit code.
async fn aspen(store: &MemoryStore, line: &str, interrupts: Interrupts) -> (String, u8) {
    let words = ["aspen", "elect"].into_iter().chain(line.split_whitespace());
    let cli = Cli::try_parse_from(words).unwrap();
    let Command::Elect(args) = cli.command else { panic!("the line begins with elect") };
    let sink = Captured::default();
    let mut output = Output::new(cli.global.json, Box::new(sink.clone()));
    let result = run(Arc::new(store.clone()), args, interrupts, &mut output).await;
    (sink.text(), result.err().map_or(0, |error| error.status().code()))
}

async fn led_by(election: &Election, value: &str) -> FencingToken {
    loop {
        match election.leader().await.unwrap() {
            Some(leader) if leader.value.as_bytes() == value.as_bytes() => return leader.token,
            _ => runtime::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn leaders_follow_each_other_and_an_observer_prints_them() {
    let store = MemoryStore::new();
    let election = Coordinator::new(Arc::new(store.clone())).election("db").unwrap();
    let (quiet, arriving) = mpsc::channel(1);
    let observing = aspen(&store, "--observe db --events 2", Interrupts::from(arriving));
    let leading = async {
        let ((end_a, a), (end_b, b)) = (mpsc::channel(1), mpsc::channel(1));
        let first = aspen(&store, "db a", Interrupts::from(a));
        let second = async {
            led_by(&election, "a").await;
            aspen(&store, "db b", Interrupts::from(b)).await
        };
        let ending = async {
            let token_a = led_by(&election, "a").await;
            end_a.send(Signal::INT).await.unwrap();
            let token_b = led_by(&election, "b").await;
            end_b.send(Signal::TERM).await.unwrap();
            assert!(token_a < token_b);
            (token_a, token_b)
        };
        let (first, second, (token_a, token_b)) = tokio::join!(first, second, ending);
        assert_eq!(first, (format!("{token_a} a\n"), 0));
        assert_eq!(second, (format!("{token_b} b\n"), 0));
        format!("{token_a} a\n{token_b} b\n")
    };
    let (observed, expected) = tokio::join!(observing, leading);
    assert_eq!(observed, (expected, 0));
    assert_eq!(election.leader().await.unwrap(), None);
    drop(quiet);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_elected_in_time_or_loses_says_so() {
    let store = MemoryStore::new();
    let (_quiet, arriving) = mpsc::channel(1);
    let leading = aspen(&store, "db a --json", Interrupts::from(arriving));
    let election = Coordinator::new(Arc::new(store.clone())).election("db").unwrap();
    let losing = async {
        let token = led_by(&election, "a").await;
        let lease = store.list().await.unwrap()[0];
        let (_quiet, arriving) = mpsc::channel(1);
        let late = aspen(&store, "db b --wait 1s", Interrupts::from(arriving)).await;
        assert_eq!(late, (String::new(), 3));
        store.revoke(lease).await.unwrap();
        token
    };
    let ((text, code), token) = tokio::join!(leading, losing);
    assert_eq!((text, code), (format!("{{\"token\":{token},\"value\":\"a\"}}\n"), 1));
}

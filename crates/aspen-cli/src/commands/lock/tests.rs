#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use aspen_core::{MemoryStore, runtime};
use clap::Parser;
use tokio::sync::mpsc;

use super::*;
use crate::args::{Cli, Command as CliCommand};
use crate::output::tests::Captured;

/// Runs a command line against a store, without signals; answers what was printed and the exit
/// code.
async fn aspen(store: &MemoryStore, line: &[&str]) -> (String, u8) {
    let (_quiet, arriving) = mpsc::channel(1);
    aspen_with(store, line, Interrupts::from(arriving)).await
}

async fn aspen_with(store: &MemoryStore, line: &[&str], interrupts: Interrupts) -> (String, u8) {
    let words = ["aspen", "lock"].iter().chain(line);
    let CliCommand::Lock(args) = Cli::try_parse_from(words).unwrap().command else {
        panic!("the line begins with lock")
    };
    let sink = Captured::default();
    let mut output = Output::new(false, Box::new(sink.clone()));
    let result = run(Arc::new(store.clone()), args, interrupts, &mut output).await;
    (sink.text(), result.err().map_or(0, |error| error.status().code()))
}

fn lock(store: &MemoryStore) -> Lock {
    Coordinator::new(Arc::new(store.clone())).lock("nightly").unwrap()
}

#[tokio::test]
async fn process_a_command_runs_with_its_token_and_its_code_is_handed_on() {
    let store = MemoryStore::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seen");
    let script = format!("echo $ASPEN_LOCK_NAME $ASPEN_LOCK_TOKEN > {}; exit 7", path.display());
    assert_eq!(aspen(&store, &["nightly", "--", "sh", "-c", &script]).await.1, 7);
    let seen = std::fs::read_to_string(&path).unwrap();
    let token: u64 = seen.trim().strip_prefix("nightly ").unwrap().parse().unwrap();
    assert!(token > 0);
    let guard = lock(&store).try_lock().await.unwrap().expect("it was released");
    assert!(guard.token().get() > token);
    guard.release().await.unwrap();
    assert_eq!(aspen(&store, &["nightly", "--", "true"]).await.1, 0);
    assert_eq!(aspen(&store, &["nightly", "--", "sh", "-c", "kill -9 $$"]).await.1, 137);
    assert_eq!(aspen(&store, &["nightly", "--", "/no/such/program"]).await.1, 1);
    assert!(lock(&store).holder().await.unwrap().is_none());
}

#[tokio::test]
async fn process_a_lost_lock_kills_the_command() {
    let store = MemoryStore::new();
    let running = aspen(&store, &["nightly", "--ttl", "1s", "--", "sleep", "1000"]);
    let losing = async {
        while lock(&store).holder().await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        let lease = store.list().await.unwrap()[0];
        store.revoke(lease).await.unwrap();
    };
    let ((_, code), ()) = tokio::join!(running, losing);
    assert_eq!(code, 1);
}

#[tokio::test]
async fn process_a_command_is_told_to_terminate() {
    let store = MemoryStore::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ready");
    let script =
        format!("trap 'exit 3' TERM; touch {}; while :; do sleep 0.1; done", path.display());
    let (send, arriving) = mpsc::channel(1);
    let line = ["nightly", "--", "sh", "-c", &script];
    let running = aspen_with(&store, &line, Interrupts::from(arriving));
    let ending = async {
        while !path.exists() {
            runtime::sleep(Duration::from_millis(5)).await;
        }
        // The terminal sends this one to the command by itself.
        send.send(Signal::INT).await.unwrap();
        send.send(Signal::TERM).await.unwrap();
    };
    let ((_, code), ()) = tokio::join!(running, ending);
    assert_eq!(code, 3);
    assert!(lock(&store).holder().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_another_has_is_not_waited_for_longer_than_said() {
    let store = MemoryStore::new();
    let guard = lock(&store).lock().await.unwrap();
    assert_eq!(aspen(&store, &["nightly", "--no-wait", "--", "true"]).await.1, 3);
    assert_eq!(aspen(&store, &["nightly", "--wait", "5s", "--", "true"]).await.1, 3);
    guard.release().await.unwrap();
    assert_eq!(aspen(&store, &["", "--", "true"]).await.1, 2);
    assert_eq!(aspen(&store, &["nightly", "--ttl", "1ms", "--", "true"]).await.1, 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_command_the_lock_is_held_until_an_interrupt() {
    let store = MemoryStore::new();
    let (send, arriving) = mpsc::channel(1);
    let line = ["nightly"];
    let holding = aspen_with(&store, &line, Interrupts::from(arriving));
    let ending = async {
        let holder = loop {
            match lock(&store).holder().await.unwrap() {
                Some(holder) => break holder,
                None => runtime::sleep(Duration::from_millis(5)).await,
            }
        };
        assert!(lock(&store).try_lock().await.unwrap().is_none());
        send.send(Signal::INT).await.unwrap();
        holder.token
    };
    let ((text, code), token) = tokio::join!(holding, ending);
    assert_eq!((text, code), (format!("{token}\n"), 0));
    assert!(lock(&store).holder().await.unwrap().is_none());
}

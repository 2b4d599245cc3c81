#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::MemoryStore;
use clap::Parser;
use serde_json::json;

use super::*;
use crate::args::{Cli, Command};
use crate::output::tests::Captured;

/// Runs a command line against a store; answers what it printed and its exit code.
async fn aspen(store: &MemoryStore, line: &str) -> (String, u8) {
    let words = ["aspen"].into_iter().chain(line.split_whitespace());
    let cli = Cli::try_parse_from(words).unwrap();
    let sink = Captured::default();
    let mut output = Output::new(cli.global.json, Box::new(sink.clone()));
    let result = match cli.command {
        Command::Kv(command) => super::super::kv::run(store, command, &mut output).await,
        Command::Lease(command) => run(store, command, &mut output).await,
        other => panic!("{other:?}"),
    };
    (sink.text(), result.err().map_or(0, |error| error.status().code()))
}

async fn parsed(store: &MemoryStore, line: &str) -> Json {
    serde_json::from_str(&aspen(store, line).await.0).unwrap()
}

#[tokio::test]
async fn a_lease_from_grant_to_revoke() {
    let store = MemoryStore::new();
    assert_eq!(aspen(&store, "lease grant 60 --id 7").await, ("7\n".to_owned(), 0));
    assert_eq!(aspen(&store, "kv set a 1 --lease 7").await.1, 0);
    assert_eq!(aspen(&store, "lease list").await.0, "7\n");
    assert_eq!(aspen(&store, "lease keep-alive 7").await.0, "ok, 60.000 s\n");
    let (text, code) = aspen(&store, "lease ttl 7 --keys").await;
    assert!(text.ends_with("left of 60.000 s, 1 keys\na\n"), "{text}");
    assert_eq!(code, 0);
    assert_eq!(aspen(&store, "lease revoke 7").await, ("1 deleted\n".to_owned(), 0));
    assert_eq!(aspen(&store, "kv get a").await.1, 3);
    for gone in ["lease revoke 7", "lease ttl 7", "lease keep-alive 7", "kv set a 1 --lease 7"] {
        assert_eq!(aspen(&store, gone).await.1, 3, "{gone}");
    }
}

#[tokio::test]
async fn leases_as_json() {
    let store = MemoryStore::new();
    let granted = parsed(&store, "lease grant 1500ms --id 7 --json").await;
    assert_eq!(granted, json!({"lease": 7, "ttl_ms": 1500}));
    aspen(&store, "kv set a 1 --lease 7").await;
    let status = parsed(&store, "lease ttl 7 --json --keys").await;
    assert_eq!((&status["keys_attached"], &status["keys"][0]["key"]), (&json!(1), &json!("a")));
    assert_eq!(parsed(&store, "lease list --json").await, json!({"leases": [7]}));
    assert_eq!(parsed(&store, "lease ttl 8 --json").await["found"], false);
    assert_eq!(parsed(&store, "lease revoke 7 --json").await["deleted"], 1);
}

#[tokio::test]
async fn a_key_with_a_ttl_has_a_lease_of_its_own() {
    let store = MemoryStore::new();
    assert_eq!(aspen(&store, "kv set a 1 --ttl 60").await.1, 0);
    let found = parsed(&store, "kv get a --json").await;
    let lease = found["entries"][0]["lease"].as_u64().unwrap();
    let status = parsed(&store, &format!("lease ttl {lease} --json")).await;
    assert_eq!((&status["ttl_ms"], &status["keys_attached"]), (&json!(60_000), &json!(1)));
    assert_eq!(aspen(&store, "lease list").await.0, "");
    assert_eq!(aspen(&store, "kv set a 1 --ttl 0.5").await.1, 2);
}

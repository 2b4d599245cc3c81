#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::MemoryStore;
use clap::Parser;
use serde_json::{Value as Json, json};

use super::*;
use crate::args::{Cli, Command};
use crate::output::tests::Captured;

/// Runs a `kv` command line against a store; answers what it printed and its exit code.
async fn aspen(store: &MemoryStore, line: &[&str]) -> (String, u8) {
    let words = ["aspen", "kv"].iter().chain(line);
    let cli = Cli::try_parse_from(words).unwrap();
    let Command::Kv(command) = cli.command else { panic!("only kv commands here") };
    let sink = Captured::default();
    let mut output = Output::new(cli.global.json, Box::new(sink.clone()));
    let result = run(store, command, &mut output).await;
    (sink.text(), result.err().map_or(0, |error| error.status().code()))
}

async fn json(store: &MemoryStore, line: &[&str]) -> Json {
    let (text, _) = aspen(store, &[line, &["--json"]].concat()).await;
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn set_get_and_del() {
    let store = MemoryStore::new();
    assert_eq!(aspen(&store, &["set", "a", "hello"]).await, ("ok, revision 1\n".to_owned(), 0));
    assert_eq!(aspen(&store, &["get", "a"]).await, ("hello\n".to_owned(), 0));
    assert_eq!(aspen(&store, &["get", "a", "--hex"]).await.0, "68656c6c6f\n");
    assert_eq!(aspen(&store, &["get", "a", "missing"]).await, ("hello\n".to_owned(), 3));
    assert!(aspen(&store, &["get", "a", "--meta"]).await.0.contains("version"));
    assert_eq!(aspen(&store, &["del", "a", "b"]).await, ("1 deleted\n".to_owned(), 0));
    assert_eq!(aspen(&store, &["get", "a"]).await.1, 3);
    assert_eq!(aspen(&store, &["get", "a", "--at", "1"]).await.0, "hello\n");
    assert_eq!(aspen(&store, &["get", "a", "--at", "99"]).await.1, 2);
    assert_eq!(aspen(&store, &["get", ""]).await.1, 2);
}

#[tokio::test]
async fn get_as_json() {
    let store = MemoryStore::new();
    aspen(&store, &["set", "ff", "v", "--hex-keys"]).await;
    let found = json(&store, &["get", "ff", "00", "--hex-keys"]).await;
    assert_eq!(found["revision"], 1);
    assert_eq!(found["entries"][0]["key_base64"], "/w==");
    assert_eq!(found["entries"][0]["value"], "v");
    assert_eq!(found["entries"][1]["found"], false);
}

#[tokio::test]
async fn values_come_from_files_byte_for_byte() {
    let store = MemoryStore::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("value");
    std::fs::write(&path, "line\n").unwrap();
    aspen(&store, &["set", "a", "--file", path.to_str().unwrap()]).await;
    assert_eq!(json(&store, &["get", "a"]).await["entries"][0]["value"], "line\n");
    assert_eq!(aspen(&store, &["set", "a", "--file", "/does/not/exist"]).await.1, 1);
}

#[tokio::test]
async fn scans_page_count_and_reverse() {
    let store = MemoryStore::new();
    for key in ["a/1", "a/2", "a/3", "b/1"] {
        aspen(&store, &["set", key, "v"]).await;
    }
    assert_eq!(aspen(&store, &["scan", "--count", "--prefix", "a/"]).await.0, "3\n");
    let keys = aspen(&store, &["scan", "--keys-only", "--from", "a/2", "--to", "b/1"]).await;
    assert_eq!(keys.0, "a/2\na/3\n");
    let keys = aspen(&store, &["scan", "--keys-only", "--reverse", "--limit", "2"]).await;
    assert_eq!(keys.0, "b/1\na/3\n");
    let page = json(&store, &["scan", "--limit", "1"]).await;
    assert_eq!((&page["more"], &page["entries"][0]["key"]), (&json!(true), &json!("a/1")));
    let all = aspen(&store, &["scan", "--all", "--limit", "3", "--keys-only", "--json"]).await.0;
    assert_eq!(all.lines().count(), 3);
    assert!(aspen(&store, &["scan"]).await.0.contains("a/3"));
    assert_eq!(aspen(&store, &["scan", "--limit", "10001"]).await.1, 2);
}

#[tokio::test]
async fn cas_tells_by_its_exit_code() {
    let store = MemoryStore::new();
    assert_eq!(aspen(&store, &["cas", "a", "1", "--absent"]).await.1, 0);
    let (text, code) = aspen(&store, &["cas", "a", "2", "--absent"]).await;
    assert_eq!(code, 3);
    assert!(text.contains("a = 1"), "{text}");
    assert_eq!(aspen(&store, &["cas", "a", "2", "--expect", "1"]).await.1, 0);
    assert_eq!(aspen(&store, &["get", "a"]).await.0, "2\n");
}

#[tokio::test]
async fn txn_runs_the_branch_and_names_wrong_fields() {
    let store = MemoryStore::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("txn.json");
    let file = path.to_str().unwrap();
    std::fs::write(
        &path,
        r#"{"compare": [{"key": "a", "target": "version", "value": 0}],
            "then": [{"put": {"key": "a", "value": "1"}}], "else": [{"get": {"key": "a"}}]}"#,
    )
    .unwrap();
    let first = json(&store, &["txn", file]).await;
    assert_eq!(first["succeeded"], true);
    assert_eq!(first["results"][0]["put"]["version"], 1);
    let (text, code) = aspen(&store, &["txn", file]).await;
    assert_eq!(code, 3);
    assert!(text.contains("get: a = 1"), "{text}");
    std::fs::write(&path, r#"{"then": [{"put": {"kee": "a"}}]}"#).unwrap();
    assert_eq!(aspen(&store, &["txn", file]).await.1, 2);
}

#[tokio::test]
async fn del_takes_prefixes_and_ranges() {
    let store = MemoryStore::new();
    for key in ["a1", "a2", "b1", "b2", "c1"] {
        aspen(&store, &["set", key, "v"]).await;
    }
    assert_eq!(aspen(&store, &["del", "--prefix", "a"]).await.0, "2 deleted\n");
    assert_eq!(aspen(&store, &["del", "--range", "b", "c"]).await.0, "2 deleted\n");
    assert_eq!(aspen(&store, &["scan", "--keys-only"]).await.0, "c1\n");
    assert_eq!(aspen(&store, &["del", "--prefix", ""]).await.1, 2);
    assert_eq!(aspen(&store, &["del", "--all"]).await.0, "1 deleted\n");
}

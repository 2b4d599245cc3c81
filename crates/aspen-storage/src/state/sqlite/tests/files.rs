//! What is on disk: leftovers, foreign and damaged files, locks.

use std::path::Path;

use aspen_core::{GroupId, Key, Revision};
use rusqlite::Connection;

use super::support::{GROUP, compact, entry, key, open, options, put, transaction};
use crate::state::sqlite::{SqliteStateMachine, check_dir};
use crate::state::{StateError, StateMachine};

async fn one_key(dir: &Path) {
    let machine = open(dir);
    machine.apply(vec![entry(1, vec![transaction(vec![put(1, "a")])])]).await.unwrap();
    machine.close().await.unwrap();
}

fn fails(dir: &Path, group: GroupId) -> StateError {
    match SqliteStateMachine::open(dir, group, options()) {
        Err(error) => error,
        Ok(_) => panic!("it opened"),
    }
}

async fn value(machine: &SqliteStateMachine, key: Key) -> Option<Vec<u8>> {
    let read = machine.read(vec![(vec![key], None)]).await.pop().unwrap().unwrap();
    read.values[0].as_ref().map(|entry| entry.value.as_bytes().to_vec())
}

#[tokio::test]
async fn a_closed_state_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    one_key(dir.path()).await;
    let machine = open(dir.path());
    assert_eq!(machine.applied().position, Some(super::support::position(1)));
    assert_eq!(machine.revision(), Revision::new(1));
    assert_eq!(value(&machine, key(1)).await.as_deref(), Some(&b"a"[..]));
    machine.close().await.unwrap();
    assert_eq!(check_dir(dir.path()).unwrap(), Vec::<String>::new());
    let late = machine.apply(vec![entry(2, vec![])]).await;
    assert!(matches!(late, Err(StateError::Stopped(_))));
}

#[tokio::test]
async fn leftovers_of_interrupted_steps_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    one_key(dir.path()).await;
    let leftovers = [
        "state-2.db.tmp",
        "state-2.db.tmp-journal",
        "state-0.db",
        "state-0.db-wal",
        "snapshots/incoming-3",
        "snapshots/00000000000000000009.snapshot.tmp",
    ];
    for name in leftovers {
        std::fs::write(dir.path().join(name), b"half").unwrap();
    }
    std::fs::write(dir.path().join("notes.txt"), b"the operator's").unwrap();
    let machine = open(dir.path());
    for name in leftovers {
        assert!(!dir.path().join(name).exists(), "{name}");
    }
    assert!(dir.path().join("notes.txt").exists());
    assert_eq!(value(&machine, key(1)).await.as_deref(), Some(&b"a"[..]));
}

#[tokio::test]
async fn another_group_and_a_newer_format_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    one_key(dir.path()).await;
    let other = fails(dir.path(), GroupId::META);
    assert!(matches!(&other, StateError::Incompatible(it) if it.contains("shard-3")), "{other}");
    let database = Connection::open(dir.path().join("state-1.db")).unwrap();
    database.execute("UPDATE meta SET value = 9 WHERE name = 'format'", []).unwrap();
    database.execute("UPDATE meta SET value = '7.1' WHERE name = 'aspen_version'", []).unwrap();
    drop(database);
    let newer = fails(dir.path(), GROUP);
    assert!(matches!(&newer, StateError::Incompatible(it) if it.contains("Aspen 7.1")), "{newer}");
}

#[tokio::test]
async fn what_is_no_database_is_corrupt_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("state-1.db"), vec![b'x'; 9000]).unwrap();
    let error = fails(dir.path(), GROUP);
    assert!(
        matches!(&error, StateError::Corrupt(it) if it.contains("replace this node")),
        "{error}"
    );
}

#[tokio::test]
async fn damaged_pages_are_found_by_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let puts = (0..2_000).map(|it| put(it, "a value of some length")).collect();
    machine.apply(vec![entry(1, vec![transaction(puts)])]).await.unwrap();
    machine.close().await.unwrap();
    drop(machine);
    let path = dir.path().join("state-1.db");
    Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    assert!(!check_dir(dir.path()).unwrap().is_empty());
}

#[tokio::test]
async fn one_directory_has_one_user() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let second = super::super::files::Files::new(dir.path()).lock(1);
    assert!(matches!(second, Err(StateError::Incompatible(_))));
    machine.close().await.unwrap();
    super::super::files::Files::new(dir.path()).lock(1).unwrap();
}

#[tokio::test]
async fn what_the_horizon_passed_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let large = "x".repeat(5_000);
    for index in 1..=20 {
        let delete = aspen_core::Operation::Delete { key: key(2) };
        let second = if index % 2 == 0 { delete } else { put(2, &large) };
        let proposal = transaction(vec![put(1, &large), second]);
        machine.apply(vec![entry(index, vec![proposal])]).await.unwrap();
        machine.flush().await.unwrap();
    }
    machine.apply(vec![entry(21, vec![compact(Revision::new(20))])]).await.unwrap();
    machine.flush().await.unwrap();
    // What follows a flush is done before the next job of its thread.
    machine.flush().await.unwrap();
    machine.close().await.unwrap();
    let database = Connection::open(dir.path().join("state-1.db")).unwrap();
    let count = |table: &str| -> i64 {
        database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("current"), count("undo"), count("large_value")), (1, 0, 1));
}

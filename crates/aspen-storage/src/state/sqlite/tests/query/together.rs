//! Queries beside writers, flushes and compaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aspen_core::{Revision, SqlValue, runtime};

use super::super::support::{compact, entry, open, put, transaction};
use super::ask;
use crate::state::StateMachine;
use crate::state::sqlite::SqliteStateMachine;

/// How many accounts there are; together they always hold as much as at first.
const ACCOUNTS: u32 = 40;
const EACH: i64 = 1_000;

/// Sums up the accounts over and over: every query must see the total, as of a revision that was
/// there when it was asked.
async fn audit(machine: Arc<SqliteStateMachine>, stop: Arc<AtomicBool>) -> u64 {
    let mut asked = 0;
    while !stop.load(Ordering::Relaxed) {
        let before = machine.revision();
        let query = "SELECT count(*), sum(value), max(mod_revision), \
                     (SELECT sum(value) FROM kv), (SELECT revision FROM kv_state) FROM kv";
        let reply = ask(&machine, query).await.unwrap();
        assert!(reply.revision >= before, "{} is older than {before}", reply.revision);
        let revision = reply.revision.get().cast_signed();
        let [count, total, revision] =
            [i64::from(ACCOUNTS), i64::from(ACCOUNTS) * EACH, revision].map(SqlValue::Integer);
        let expected = [count, total.clone(), revision.clone(), total, revision];
        assert_eq!(reply.rows[0].0, expected);
        asked += 1;
    }
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sums_hold_while_money_moves() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let mut held = [EACH; ACCOUNTS as usize];
    let puts = (0..ACCOUNTS).map(|it| put(it, &EACH.to_string())).collect();
    machine.apply(vec![entry(1, vec![transaction(puts)])]).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let audits: Vec<_> =
        (0..3).map(|_| runtime::spawn(audit(machine.clone(), stop.clone()))).collect();
    for index in 2..=1_500u64 {
        let number = u32::try_from(index).unwrap();
        let (from, to) = (number * 7 % ACCOUNTS, (number * 11 + 1) % ACCOUNTS);
        let amount = i64::from(number % 90);
        held[from as usize] -= amount;
        held[to as usize] += amount;
        let puts = [from, to].map(|it| put(it, &held[it as usize].to_string()));
        let mut proposals = vec![transaction(puts.into())];
        if index.is_multiple_of(60) {
            proposals.push(compact(Revision::new(index - 30)));
        }
        machine.apply(vec![entry(index, proposals)]).await.unwrap();
        if index.is_multiple_of(50) {
            machine.flush().await.unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    for audit in audits {
        assert!(audit.await.unwrap() > 0);
    }
    assert_eq!(machine.check_integrity().await.unwrap(), Vec::<String>::new());
}

/// A disk that is full takes no flush: what asks for the newest fails, what does not is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_query_needs_no_room_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    machine.apply(vec![entry(1, vec![transaction(vec![put(1, "a")])])]).await.unwrap();
    machine.flush().await.unwrap();
    let other = rusqlite::Connection::open(dir.path().join("state-1.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    machine.apply(vec![entry(2, vec![transaction(vec![put(1, "b")])])]).await.unwrap();
    let error = ask(&machine, "SELECT value FROM kv").await.unwrap_err();
    assert_eq!(error.kind(), aspen_core::ErrorKind::Unavailable, "{error}");
    let stale = super::stale(&machine, "SELECT value FROM kv").await;
    assert_eq!((stale.rows[0].0[0].clone(), stale.revision), ("a".into(), Revision::new(1)));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(super::lines(&machine, "SELECT value FROM kv").await, ["b"]);
}

//! What ends a query.

use std::time::Duration;

use aspen_core::{
    Operation, ReadError, SQL_COLUMNS_MAX, SQL_REPLY_BYTES_MAX, SqlError, SqlRequest, Value,
    runtime,
};

use super::super::support::{entry, key, open, put, transaction};
use super::{ask, lines};
use crate::state::StateMachine;

const ENDLESS: &str =
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";

#[tokio::test]
async fn an_endless_query_is_stopped_by_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    for query in [
        ENDLESS,
        // Rows come, but the answer has room for few: it must not wait for more.
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c \
         WHERE n < 0",
    ] {
        let error = machine.sql(SqlRequest { timeout_ms: 50, ..SqlRequest::new(query) }).await;
        assert_eq!(error, Err(SqlError::TimedOut { limit_ms: 50 }));
    }
    assert_eq!(lines(&machine, "SELECT 1").await, ["1"]);
}

/// More callers leave than queries may run: were any of them to go on, the last would wait for
/// ever.
#[tokio::test]
async fn a_query_ends_when_its_caller_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    for _ in 0..6 {
        let endless = machine.sql(SqlRequest { timeout_ms: 30_000, ..SqlRequest::new(ENDLESS) });
        let gone = runtime::timeout(Duration::from_millis(20), endless).await;
        assert!(gone.is_err());
    }
    let patient = SqlRequest { timeout_ms: 20_000, ..SqlRequest::new("SELECT 1") };
    assert_eq!(machine.sql(patient).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn rows_beyond_the_limit_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let puts = (0..50).map(|it| put(it, "v")).collect();
    machine.apply(vec![entry(1, vec![transaction(puts)])]).await.unwrap();
    for (rows_max, truncated) in [(49, true), (50, false), (51, false)] {
        let request = SqlRequest { rows_max, ..SqlRequest::new("SELECT key FROM kv") };
        let reply = machine.sql(request).await.unwrap();
        assert_eq!((reply.rows.len(), reply.truncated), (rows_max.min(50) as usize, truncated));
    }
    // An endless query with enough rows ends.
    let query = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c";
    let reply = machine.sql(SqlRequest { rows_max: 7, ..SqlRequest::new(query) }).await.unwrap();
    assert_eq!((reply.rows.len(), reply.truncated), (7, true));
}

#[tokio::test]
async fn an_answer_has_a_size() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let value = Value::new(vec![b'x'; 1_000_000]).unwrap();
    let puts = (0..5).map(|it| Operation::put(key(it), value.clone())).collect();
    machine.apply(vec![entry(1, vec![transaction(puts)])]).await.unwrap();
    assert_eq!(ask(&machine, "SELECT value FROM kv LIMIT 4").await.unwrap().rows.len(), 4);
    let error = ask(&machine, "SELECT value FROM kv").await.unwrap_err();
    assert_eq!(error, SqlError::TooManyBytes { limit: SQL_REPLY_BYTES_MAX as u64 });
    assert_eq!(lines(&machine, "SELECT sum(length(value)) FROM kv").await, ["5000000"]);
    for query in ["SELECT zeroblob(1000000000)", "SELECT group_concat(value) FROM kv"] {
        let error = ask(&machine, query).await.unwrap_err();
        assert_eq!(error, SqlError::InvalidSql("string or blob too big".to_owned()), "{query}");
    }
    let wide = format!("SELECT {}", vec!["1"; SQL_COLUMNS_MAX + 1].join(", "));
    let error = ask(&machine, &wide).await.unwrap_err();
    assert!(error.to_string().contains("too many columns"), "{error}");
}

#[tokio::test]
async fn too_many_queries_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let endless = || {
        let machine = machine.clone();
        let request = SqlRequest { timeout_ms: 300, ..SqlRequest::new(ENDLESS) };
        runtime::spawn(async move { machine.sql(request).await })
    };
    let asked: Vec<_> = (0..60).map(|_| endless()).collect();
    let (mut refused, mut timed_out) = (0, 0);
    for answer in asked {
        match answer.await.unwrap().unwrap_err() {
            SqlError::Read(ReadError::Overloaded(_)) => refused += 1,
            SqlError::TimedOut { .. } => timed_out += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 0 && timed_out > 0, "{refused} refused, {timed_out} timed out");
    assert_eq!(lines(&machine, "SELECT 1").await, ["1"]);
}

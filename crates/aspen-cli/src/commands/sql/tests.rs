#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Mutex;

use aspen_core::{Revision, SqlError, SqlRow};
use async_trait::async_trait;
use clap::Parser;

use super::*;
use crate::args::{Cli, Command};
use crate::output::tests::Captured;

/// Answers every query with the same, and keeps the last.
struct Canned {
    answer: Result<SqlReply, SqlError>,
    asked: Mutex<Option<SqlRequest>>,
}

#[async_trait]
impl SqlQuery for Canned {
    async fn sql(&self, request: SqlRequest) -> Result<SqlReply, SqlError> {
        *self.asked.lock().unwrap() = Some(request);
        self.answer.clone()
    }
}

fn canned(columns: &[&str], rows: Vec<Vec<SqlValue>>) -> Canned {
    let reply = SqlReply {
        revision: Revision::new(7),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: rows.into_iter().map(SqlRow).collect(),
        truncated: true,
    };
    Canned { answer: Ok(reply), asked: Mutex::default() }
}

/// Runs a `sql` command line; answers what it printed and its exit code.
async fn aspen(store: &Canned, line: &[&str]) -> (String, u8) {
    let cli = Cli::try_parse_from(["aspen", "sql"].iter().chain(line)).unwrap();
    let Command::Sql(args) = cli.command else { panic!("only sql here") };
    let sink = Captured::default();
    let mut output = Output::new(cli.global.json, Box::new(sink.clone()));
    let result = run(store, args, cli.global.timeout, &mut output).await;
    (sink.text(), result.err().map_or(0, |error| error.status().code()))
}

fn one_of_each() -> Canned {
    let row = vec![
        SqlValue::Null,
        SqlValue::Integer(-3),
        SqlValue::Real(2.0),
        SqlValue::from("text"),
        SqlValue::Blob(b"\xff".as_slice().into()),
        SqlValue::Blob(b"utf8".as_slice().into()),
    ];
    canned(&["a", "b", "c", "d", "e", "a"], vec![row])
}

#[tokio::test]
async fn a_table_shows_every_kind_of_value_and_the_revision() {
    let (text, code) = aspen(&one_of_each(), &["SELECT 1"]).await;
    assert_eq!(code, 0);
    for cell in ["NULL", "-3", "2.0", "text", "\\xff", "utf8", "1 row, revision 7"] {
        assert!(text.contains(cell), "{cell}: {text}");
    }
}

#[tokio::test]
async fn json_has_rows_with_names() {
    let (text, _) = aspen(&one_of_each(), &["SELECT 1", "--json"]).await;
    let found: Json = serde_json::from_str(&text).unwrap();
    let row = json!({
        "a": null, "b": -3, "c": 2.0, "d": "text", "e_base64": "/w==", "a_2": "utf8",
    });
    assert_eq!(found["rows"], json!([row]));
    assert_eq!(found["columns"], json!(["a", "b", "c", "d", "e", "a_2"]));
    assert_eq!((&found["revision"], &found["truncated"]), (&json!(7), &json!(true)));
}

#[tokio::test]
async fn options_become_limits_of_the_request() {
    let store = canned(&["a"], Vec::new());
    aspen(&store, &["q", "--limit", "5", "--timeout", "2s", "--stale"]).await;
    let asked = store.asked.lock().unwrap().take().unwrap();
    let consistency = Consistency::Stale;
    let expected = SqlRequest { query: "q".into(), rows_max: 5, timeout_ms: 2_000, consistency };
    assert_eq!(asked, expected);
    aspen(&store, &["q"]).await;
    assert_eq!(store.asked.lock().unwrap().take(), Some(SqlRequest::new("q")));
    assert_eq!(aspen(&store, &["q", "--timeout", "31s"]).await.1, 2);
    assert_eq!(store.asked.lock().unwrap().take(), None);
}

#[tokio::test]
async fn a_refused_query_is_invalid_input() {
    let error = SqlError::NotAllowed("ATTACH".to_owned());
    let store = Canned { answer: Err(error), asked: Mutex::default() };
    assert_eq!(aspen(&store, &["ATTACH 'x' AS y"]).await, (String::new(), 2));
}

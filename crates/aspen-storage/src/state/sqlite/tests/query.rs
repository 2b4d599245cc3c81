//! SQL over the state: what it answers, what it refuses, and that it ends.

mod answers;
mod limits;
mod refusals;
mod together;

use aspen_core::{Consistency, SqlError, SqlReply, SqlRequest, SqlValue};

use crate::state::StateMachine;
use crate::state::sqlite::SqliteStateMachine;

pub(super) async fn ask(machine: &SqliteStateMachine, query: &str) -> Result<SqlReply, SqlError> {
    machine.sql(SqlRequest { rows_max: 10_000, ..SqlRequest::new(query) }).await
}

pub(super) async fn stale(machine: &SqliteStateMachine, query: &str) -> SqlReply {
    let request = SqlRequest { consistency: Consistency::Stale, ..SqlRequest::new(query) };
    machine.sql(request).await.unwrap()
}

/// The rows of a query, as lines: `|` between values.
pub(super) async fn lines(machine: &SqliteStateMachine, query: &str) -> Vec<String> {
    let reply = ask(machine, query).await.unwrap();
    assert!(!reply.truncated);
    reply.rows.iter().map(|row| line(&row.0)).collect()
}

pub(super) fn line(values: &[SqlValue]) -> String {
    let shown = values.iter().map(|value| match value {
        SqlValue::Null => "-".to_owned(),
        SqlValue::Integer(number) => number.to_string(),
        SqlValue::Real(number) => format!("{number:?}"),
        SqlValue::Text(text) => text.clone(),
        SqlValue::Blob(bytes) => format!("x'{}'", bytes.escape_ascii()),
    });
    shown.collect::<Vec<_>>().join("|")
}

//! `aspen sql`

use std::time::Duration;

use aspen_core::{
    Consistency, SQL_QUERY_BYTES_MAX, SQL_TIMEOUT_MS_DEFAULT, SqlQuery, SqlReply, SqlRequest,
    SqlValue,
};
use serde_json::{Map, Value as Json, json};

use super::input;
use crate::args::sql::SqlArgs;
use crate::exit::CliError;
use crate::output::Output;
use crate::text;

/// How many characters of a text or blob a table shows.
const CELL_CHARS_MAX: usize = 80;

pub(super) async fn run(
    store: &dyn SqlQuery,
    args: SqlArgs,
    timeout: Option<Duration>,
    output: &mut Output,
) -> Result<(), CliError> {
    let reply = store.sql(request(args, timeout)?).await?;
    match output.is_json() {
        true => output.json(&reply_json(&reply))?,
        false => print_table(&reply, output)?,
    }
    if reply.truncated && !output.is_json() {
        eprintln!("aspen: there are more rows; use a larger --limit, or LIMIT and OFFSET");
    }
    Ok(())
}

fn request(args: SqlArgs, timeout: Option<Duration>) -> Result<SqlRequest, CliError> {
    let query = match args.query.as_str() {
        "-" => input::text_from_stdin(SQL_QUERY_BYTES_MAX)?,
        _ => args.query,
    };
    let request = SqlRequest {
        query,
        rows_max: args.limit,
        timeout_ms: timeout.map_or(SQL_TIMEOUT_MS_DEFAULT, input::milliseconds),
        consistency: if args.stale { Consistency::Stale } else { Consistency::Linearizable },
    };
    request.validate()?;
    Ok(request)
}

fn print_table(reply: &SqlReply, output: &mut Output) -> Result<(), CliError> {
    let header: Vec<String> = reply.columns.iter().map(|name| cell_text(name.as_bytes())).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let rows = reply.rows.iter().map(|row| row.0.iter().map(cell).collect());
    output.table(&header, rows)?;
    let rows = if reply.rows.len() == 1 { "row" } else { "rows" };
    output.line(format!("{} {rows}, revision {}", reply.rows.len(), reply.revision))
}

fn cell(value: &SqlValue) -> String {
    match value {
        SqlValue::Null => "NULL".to_owned(),
        SqlValue::Integer(number) => number.to_string(),
        SqlValue::Real(number) => format!("{number:?}"),
        SqlValue::Text(text) => cell_text(text.as_bytes()),
        SqlValue::Blob(bytes) => cell_text(bytes),
    }
}

fn cell_text(bytes: &[u8]) -> String {
    text::excerpt(bytes, CELL_CHARS_MAX)
}

/// Rows are objects with the columns' names. Bytes that are not UTF-8 are under the name with
/// `_base64`, as everywhere.
fn reply_json(reply: &SqlReply) -> Json {
    let columns = distinct(&reply.columns);
    let row = |values: &[SqlValue]| {
        let mut object = Map::new();
        for (name, value) in columns.iter().zip(values) {
            insert(&mut object, name, value);
        }
        Json::Object(object)
    };
    let rows: Vec<Json> = reply.rows.iter().map(|values| row(&values.0)).collect();
    json!({
        "revision": reply.revision.get(),
        "columns": columns,
        "rows": rows,
        "truncated": reply.truncated,
    })
}

fn insert(object: &mut Map<String, Json>, name: &str, value: &SqlValue) {
    let json = match value {
        SqlValue::Null => Json::Null,
        SqlValue::Integer(number) => json!(number),
        SqlValue::Real(number) if number.is_finite() => json!(number),
        // JSON has no infinity.
        SqlValue::Real(number) => json!(number.to_string()),
        SqlValue::Text(text) => json!(text),
        SqlValue::Blob(bytes) => return text::insert_bytes(object, name, bytes),
    };
    object.insert(name.to_owned(), json);
}

/// Names with a number after those that were there before: an object has each once.
fn distinct(names: &[String]) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        distinct.extend(candidates.find(|candidate| !distinct.contains(candidate)));
    }
    distinct
}

#[cfg(test)]
mod tests;

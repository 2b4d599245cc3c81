//! One query on a connection of its own.

use std::path::Path;

use aspen_core::{
    KEY_BYTES_MAX, ReadError, Revision, SQL_COLUMNS_MAX, SQL_QUERY_BYTES_MAX, SqlError, SqlReply,
    SqlRequest, SqlRow, SqlRows, SqlValue, VALUE_BYTES_MAX,
};
use bytes::Bytes;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, Statement};

use super::super::core::Core;
use super::super::scan::REPLACED;
use super::super::sql::{from_sql, revision_out};
use super::allowed::{self, Refused};
use super::errors::{query_error, store_error};
use super::stop::Stop;
use super::views::{self, Views};
use crate::state::StateError;

/// How often a query starts again because a snapshot replaced the file beneath it.
const SQL_REPLACEMENTS_MAX: usize = 4;

/// How long a text, blob or row may become while a query computes, in bytes: any entry with the
/// counters beside it, or so much of a `group_concat`. A function over one value cannot be
/// interrupted, so more lets a query overrun its time.
const SQL_VALUE_BYTES_MAX: usize = VALUE_BYTES_MAX + KEY_BYTES_MAX + 64 * 1024;

/// Page cache of a query, in bytes. More spares sums over joins a second look at a page.
const SQL_CACHE_BYTES: usize = 8 * 1024 * 1024;

/// How many steps of SQLite's machine lie between two looks at the clock: some tens of
/// microseconds.
const STEPS_PER_LOOK: i32 = 4_000;

/// Runs a query on the body, which must hold all up to `wanted`; again when it was replaced.
pub(super) fn run(
    core: &Core,
    request: &SqlRequest,
    wanted: Revision,
    stop: &Stop,
) -> Result<SqlReply, SqlError> {
    let mut replaced = 0;
    loop {
        let (generation, path) = core.body();
        let result = run_once(&path, request, wanted, stop);
        let newer = || core.body().0 != generation;
        if !matches!(result, Err(SqlError::Read(_))) || replaced == SQL_REPLACEMENTS_MAX || !newer()
        {
            return result;
        }
        replaced += 1;
    }
}

fn run_once(
    path: &Path,
    request: &SqlRequest,
    wanted: Revision,
    stop: &Stop,
) -> Result<SqlReply, SqlError> {
    if stop.is_due() {
        return Err(stop.error());
    }
    let (mut connection, views) = open(path).map_err(ReadError::from)?;
    let revision = begin(&connection).map_err(store_error)?;
    if revision < wanted {
        return Err(ReadError::from(StateError::Stopped(REPLACED.to_owned())).into());
    }
    let refused = Refused::default();
    guard(&mut connection, views, &refused, stop).map_err(store_error)?;
    let failed = |error| query_error(error, &refused, stop);
    let mut statement = connection.prepare(&request.query).map_err(failed)?;
    let mut rows = begin_answer(&statement, revision, request.rows_max)?;
    let columns = statement.column_count();
    let mut found = statement.raw_query();
    while let Some(row) = found.next().map_err(failed)? {
        if !rows.has_room() {
            rows.truncate();
            break;
        }
        rows.push(values(row, columns).map_err(failed)?)?;
    }
    Ok(rows.finish())
}

/// A connection that cannot write, with the views and nothing else of its own.
fn open(path: &Path) -> Result<(Connection, Views), StateError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(from_sql)?;
    limit(&connection).map_err(from_sql)?;
    // What spills goes to files, so that memory stays bounded whatever a query sorts or collects.
    connection
        .execute_batch(&format!(
            "PRAGMA cache_size = -{}; PRAGMA temp_store = FILE;",
            SQL_CACHE_BYTES / 1024
        ))
        .map_err(from_sql)?;
    let views = views::create(&connection).map_err(from_sql)?;
    connection.pragma_update(None, "query_only", true).map_err(from_sql)?;
    Ok((connection, views))
}

fn limit(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    for (limit, max) in [
        (Limit::SQLITE_LIMIT_LENGTH, SQL_VALUE_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, SQL_QUERY_BYTES_MAX),
        (Limit::SQLITE_LIMIT_COLUMN, SQL_COLUMNS_MAX),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, i32::try_from(max).unwrap_or(i32::MAX))?;
    }
    Ok(())
}

/// From here on the connection does nothing but select from the views, and not for long.
fn guard(
    connection: &mut Connection,
    views: Views,
    refused: &Refused,
    stop: &Stop,
) -> rusqlite::Result<()> {
    let stop = stop.clone();
    connection.progress_handler(STEPS_PER_LOOK, Some(move || stop.is_due()))?;
    connection.authorizer(Some(allowed::authorizer(views, refused.clone())))
}

/// Begins the transaction in which the query sees one state; answers its revision.
fn begin(connection: &Connection) -> rusqlite::Result<Revision> {
    connection.execute_batch("BEGIN")?;
    let select = "SELECT revision FROM main.register WHERE one = 1";
    connection.query_row(select, [], |row| row.get(0)).map(revision_out)
}

fn begin_answer(
    statement: &Statement<'_>,
    revision: Revision,
    rows_max: u32,
) -> Result<SqlRows, SqlError> {
    let columns: Vec<String> = statement.column_names().map(ToOwned::to_owned).collect();
    if !statement.readonly() {
        return Err(SqlError::NotAllowed("writing; SQL only reads".to_owned()));
    }
    if columns.is_empty() {
        return Err(SqlError::InvalidSql("there is no SELECT".to_owned()));
    }
    if statement.parameter_count() > 0 {
        let detail = "parameters (?, :name) have no values here; write the values into the query";
        return Err(SqlError::InvalidSql(detail.to_owned()));
    }
    SqlRows::new(revision, columns, rows_max)
}

fn values(row: &Row<'_>, columns: usize) -> rusqlite::Result<SqlRow> {
    let value = |column| row.get_ref(column).map(value);
    (0..columns).map(value).collect::<rusqlite::Result<_>>().map(SqlRow)
}

fn value(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(number) => SqlValue::Integer(number),
        ValueRef::Real(number) => SqlValue::Real(number),
        ValueRef::Blob(bytes) => SqlValue::Blob(Bytes::copy_from_slice(bytes)),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => SqlValue::Text(text.to_owned()),
            Err(_) => SqlValue::Blob(Bytes::copy_from_slice(bytes)),
        },
    }
}

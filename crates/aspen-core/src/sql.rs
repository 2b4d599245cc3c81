//! Read-only SQL over the keys of a group, for people who look at their data or sum it up.
//!
//! A query sees one state, as of one revision, which its answer names. What there is to select
//! from:
//!
//! | view | columns |
//! |---|---|
//! | `kv` | `key`, `value`, `version`, `create_revision`, `mod_revision`, `lease` |
//! | `kv_history` | as `kv` with `revision`, `superseded_at`; `value` is `NULL` where deleted |
//! | `kv_raw` | as `kv`, with `key` and `value` as blobs: a search by key is quick |
//! | `kv_state` | `revision`, `horizon`: one row |
//!
//! Only `SELECT` is allowed, only over these, and only with functions that touch nothing else.
//! Every query has a time limit and a bounded answer.

mod error;
mod rows;
mod value;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::codec::bounded::bounded_by;
use crate::{Consistency, InvalidRequest, Revision};

pub use error::SqlError;
pub use rows::{SQL_REPLY_BYTES_MAX, SqlRows};
pub use value::SqlValue;

/// How long the text of a query may be, in bytes. SQLite's parser needs some tens of bytes of
/// memory for each.
pub const SQL_QUERY_BYTES_MAX: usize = 64 * 1024;

/// How many rows an answer holds at most. More are summed up or asked for in parts; nobody reads
/// them.
pub const SQL_ROWS_MAX: u32 = 10_000;

/// How many rows an answer holds when the caller names no limit.
pub const SQL_ROWS_DEFAULT: u32 = 1_000;

/// How many columns a query may have.
pub const SQL_COLUMNS_MAX: usize = 100;

/// The longest time limit, in milliseconds. While a query runs, the database keeps every page that
/// is changed beside it; longer lets that grow, shorter ends sums over large stores.
pub const SQL_TIMEOUT_MS_MAX: u64 = 30_000;

/// The time limit when the caller names none, in milliseconds.
pub const SQL_TIMEOUT_MS_DEFAULT: u64 = 5_000;

const _: () = assert!(SQL_ROWS_DEFAULT <= SQL_ROWS_MAX);
const _: () = assert!(SQL_TIMEOUT_MS_DEFAULT <= SQL_TIMEOUT_MS_MAX);
const _: () = assert!(2 * SQL_REPLY_BYTES_MAX < crate::MESSAGE_BYTES_MAX);

bounded_by!(columns_bound, SQL_COLUMNS_MAX);
bounded_by!(rows_bound, SQL_ROWS_MAX as usize);

/// One query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlRequest {
    /// One `SELECT`, at most [`SQL_QUERY_BYTES_MAX`] bytes.
    pub query: String,
    /// How many rows are wanted, `1..=SQL_ROWS_MAX`; the answer says whether there were more.
    pub rows_max: u32,
    /// How long the query may run, in milliseconds, `1..=SQL_TIMEOUT_MS_MAX`.
    pub timeout_ms: u64,
    /// How fresh. `Stale` takes what the node has in its database, some seconds old while writes
    /// go on; `AtRevision` is refused, for `kv_history` has the past.
    pub consistency: Consistency,
}

impl SqlRequest {
    /// A linearizable query with the default limits.
    pub fn new(query: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            rows_max: SQL_ROWS_DEFAULT,
            timeout_ms: SQL_TIMEOUT_MS_DEFAULT,
            consistency: Consistency::Linearizable,
        }
    }

    /// Checks the limits.
    ///
    /// # Errors
    /// Names the limit or field.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        let len = self.query.len();
        if len > SQL_QUERY_BYTES_MAX {
            return Err(InvalidRequest::limit("SQL_QUERY_BYTES_MAX", SQL_QUERY_BYTES_MAX, len));
        }
        if self.rows_max == 0 || self.rows_max > SQL_ROWS_MAX {
            let detail = format!("rows_max must be 1 to {SQL_ROWS_MAX} (SQL_ROWS_MAX)");
            return Err(InvalidRequest::new(detail));
        }
        if self.timeout_ms == 0 || self.timeout_ms > SQL_TIMEOUT_MS_MAX {
            let limits = format!("1 to {SQL_TIMEOUT_MS_MAX} (SQL_TIMEOUT_MS_MAX)");
            return Err(InvalidRequest::new(format!("timeout_ms must be {limits}")));
        }
        match self.consistency {
            Consistency::AtRevision(_) => Err(InvalidRequest::new(
                "SQL reads the newest state; select a past one from kv_history",
            )),
            Consistency::Linearizable | Consistency::Lease | Consistency::Stale => Ok(()),
        }
    }
}

/// One row: a value for each column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlRow(#[serde(with = "columns_bound")] pub Vec<SqlValue>);

/// The answer to a [`SqlRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlReply {
    /// The revision whose state the query saw.
    pub revision: Revision,
    /// The columns' names, which may repeat.
    #[serde(with = "columns_bound")]
    pub columns: Vec<String>,
    /// The rows, at most `rows_max` of the request.
    #[serde(with = "rows_bound")]
    pub rows: Vec<SqlRow>,
    /// Whether there were more rows.
    pub truncated: bool,
}

/// A store that answers SQL.
#[async_trait]
pub trait SqlQuery: Send + Sync {
    /// Runs a query. It has no effect.
    ///
    /// # Errors
    /// See [`SqlError`].
    async fn sql(&self, request: SqlRequest) -> Result<SqlReply, SqlError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_named() {
        SqlRequest::new("SELECT 1").validate().unwrap();
        let request = SqlRequest::new("SELECT 1");
        for (request, name) in [
            (SqlRequest { query: " ".repeat(SQL_QUERY_BYTES_MAX + 1), ..request.clone() }, "QUERY"),
            (SqlRequest { rows_max: 0, ..request.clone() }, "SQL_ROWS_MAX"),
            (SqlRequest { rows_max: SQL_ROWS_MAX + 1, ..request.clone() }, "SQL_ROWS_MAX"),
            (SqlRequest { timeout_ms: 0, ..request.clone() }, "SQL_TIMEOUT_MS_MAX"),
            (SqlRequest { timeout_ms: 30_001, ..request.clone() }, "SQL_TIMEOUT_MS_MAX"),
            (
                SqlRequest { consistency: Consistency::AtRevision(Revision::new(1)), ..request },
                "kv_history",
            ),
        ] {
            let error = request.validate().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}

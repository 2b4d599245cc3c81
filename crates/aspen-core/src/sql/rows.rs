//! Collecting an answer within its limits.

use super::{SqlError, SqlReply, SqlRow};
use crate::Revision;

/// How large an answer may be, in bytes: column names, texts and blobs, and some for every row and
/// value. An answer is whole or an error: a query that finds more is asked for fewer columns or
/// rows.
pub const SQL_REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a row or value adds to a message beside its bytes, at most.
const VALUE_OVERHEAD_BYTES: usize = 16;

/// The rows of an answer, counted one by one, so that memory never holds more than the limit and
/// one row.
#[derive(Debug)]
pub struct SqlRows {
    rows_max: usize,
    bytes: usize,
    reply: SqlReply,
}

impl SqlRows {
    /// No rows yet.
    ///
    /// # Errors
    /// When the columns' names alone are too long.
    pub fn new(revision: Revision, columns: Vec<String>, rows_max: u32) -> Result<Self, SqlError> {
        let bytes = columns.iter().map(|name| VALUE_OVERHEAD_BYTES + name.len()).sum();
        let reply = SqlReply { revision, columns, rows: Vec::new(), truncated: false };
        let rows = Self { rows_max: rows_max as usize, bytes, reply };
        rows.check().map(|()| rows)
    }

    /// Whether another row is wanted. When there is one although none is, call
    /// [`SqlRows::truncate`].
    pub fn has_room(&self) -> bool {
        self.reply.rows.len() < self.rows_max
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`SqlError::TooManyBytes`] when it is one too many.
    pub fn push(&mut self, row: SqlRow) -> Result<(), SqlError> {
        let values = row.0.iter().map(|value| VALUE_OVERHEAD_BYTES + value.len_bytes());
        self.bytes += VALUE_OVERHEAD_BYTES + values.sum::<usize>();
        self.check()?;
        self.reply.rows.push(row);
        Ok(())
    }

    /// Notes that there were more rows.
    pub fn truncate(&mut self) {
        self.reply.truncated = true;
    }

    /// The answer.
    pub fn finish(self) -> SqlReply {
        self.reply
    }

    fn check(&self) -> Result<(), SqlError> {
        match self.bytes > SQL_REPLY_BYTES_MAX {
            true => Err(SqlError::TooManyBytes { limit: SQL_REPLY_BYTES_MAX as u64 }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use crate::SqlValue;

    use super::*;

    #[test]
    fn bytes_are_counted_before_a_row_is_kept() {
        let mut rows = SqlRows::new(Revision::ZERO, vec!["a".to_owned()], 10).unwrap();
        let half = SqlRow(vec![SqlValue::Text("x".repeat(SQL_REPLY_BYTES_MAX / 2))]);
        rows.push(half.clone()).unwrap();
        let error = rows.push(half).unwrap_err();
        assert!(matches!(error, SqlError::TooManyBytes { .. }), "{error}");
        assert!(error.to_string().contains("SQL_REPLY_BYTES_MAX"), "{error}");
        assert_eq!(rows.finish().rows.len(), 1);
    }

    #[test]
    fn an_answer_at_its_limits_fits_a_message() {
        let mut rows = SqlRows::new(Revision::new(u64::MAX), vec!["a".to_owned()], 10_000).unwrap();
        let row = SqlRow(vec![SqlValue::Integer(i64::MIN); crate::SQL_COLUMNS_MAX]);
        while rows.has_room() && rows.push(row.clone()).is_ok() {}
        let len = crate::codec::encode(&rows.finish()).unwrap().len();
        assert!(len <= SQL_REPLY_BYTES_MAX && len > SQL_REPLY_BYTES_MAX / 2, "{len}");
    }
}

//! Between our types and SQLite's.

use aspen_core::{LeaseId, Revision};
use rusqlite::ErrorCode;

use crate::state::StateError;

/// SQLite's failure as ours.
pub(super) fn from_sql(error: rusqlite::Error) -> StateError {
    let detail = format!("sqlite: {error}");
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StateError::DiskFull(detail),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StateError::Corrupt(detail),
        Some(_) => StateError::Io(detail),
        // Not from SQLite: a column is not what the schema says.
        None => StateError::Corrupt(detail),
    }
}

/// A revision as SQLite keeps it. Revisions count changes one by one and never reach the sign bit.
pub(super) fn revision_in(revision: Revision) -> i64 {
    i64::try_from(revision.get()).unwrap_or(i64::MAX)
}

/// A revision from SQLite.
pub(super) fn revision_out(stored: i64) -> Revision {
    Revision::new(stored.cast_unsigned())
}

/// A lease as SQLite keeps it: any 64 bits, the upper half as negative numbers.
pub(super) fn lease_in(lease: Option<LeaseId>) -> Option<i64> {
    lease.map(|lease| lease.get().cast_signed())
}

/// A lease from SQLite.
pub(super) fn lease_out(stored: Option<i64>) -> Option<LeaseId> {
    stored.map(|lease| LeaseId::new(lease.cast_unsigned()))
}

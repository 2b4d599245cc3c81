//! SQLite's failures as those of a query.

use aspen_core::{ReadError, SqlError};
use rusqlite::{Error, ErrorCode};

use super::super::sql::from_sql;
use super::allowed::Refused;
use super::stop::Stop;

/// What a failure to prepare or to step a query means.
pub(super) fn query_error(error: Error, refused: &Refused, stop: &Stop) -> SqlError {
    // SQLite has several ways to tell of a refusal; all of them follow from ours.
    if let Some(what) = refused.lock().take() {
        return SqlError::NotAllowed(what);
    }
    match code(&error) {
        Some(ErrorCode::OperationInterrupted) => stop.error(),
        Some(ErrorCode::ReadOnly) => SqlError::NotAllowed("writing; SQL only reads".to_owned()),
        Some(code) if !is_of_the_store(code) => SqlError::InvalidSql(words(&error)),
        None => match error {
            Error::MultipleStatement => SqlError::InvalidSql("more than one statement".to_owned()),
            other => store_error(other),
        },
        Some(_) => store_error(error),
    }
}

fn code(error: &Error) -> Option<ErrorCode> {
    match error {
        Error::SqlInputError { error, .. } => Some(error.code),
        other => other.sqlite_error_code(),
    }
}

/// A failure that is none of the query's.
pub(super) fn store_error(error: Error) -> SqlError {
    ReadError::from(from_sql(error)).into()
}

/// Whether a failure is of the file or the machine, not of the query.
fn is_of_the_store(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::InternalMalfunction
            | ErrorCode::PermissionDenied
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::SchemaChanged
            | ErrorCode::ApiMisuse
            | ErrorCode::NotADatabase
    )
}

/// SQLite's own words, without the query, which the caller knows.
fn words(error: &Error) -> String {
    match error {
        Error::SqlInputError { msg, offset, .. } => format!("{msg} (at byte {offset})"),
        Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}

//! Why a query failed.

use serde::{Deserialize, Serialize};

use crate::{ErrorKind, InvalidRequest, ReadError};

/// A query that failed. It had no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SqlError {
    /// SQLite does not understand the query, or cannot compute it; its own words.
    #[error("invalid SQL: {0}")]
    InvalidSql(String),
    /// The query wants more than to read the views; says what.
    #[error("not allowed: {0}")]
    NotAllowed(String),
    /// The answer is too large.
    #[error(
        "the answer exceeds the limit of {limit} bytes (SQL_REPLY_BYTES_MAX); select fewer columns \
         or rows, or shorten values with substr()"
    )]
    TooManyBytes {
        /// The limit.
        limit: u64,
    },
    /// The query's time has passed.
    #[error("the query did not end within {limit_ms} ms; narrow it, or give it more time")]
    TimedOut {
        /// The time that it had, in milliseconds.
        limit_ms: u64,
    },
    /// This store cannot answer SQL.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// What can befall every read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl SqlError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidSql(_)
            | Self::NotAllowed(_)
            | Self::TooManyBytes { .. }
            | Self::Unsupported(_) => ErrorKind::Invalid,
            Self::TimedOut { .. } => ErrorKind::Retry,
            Self::Read(error) => error.kind(),
        }
    }
}

impl From<InvalidRequest> for SqlError {
    fn from(error: InvalidRequest) -> Self {
        Self::Read(error.into())
    }
}

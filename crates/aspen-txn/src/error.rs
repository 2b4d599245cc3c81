//! Why a transaction failed.

use aspen_core::{
    Applied, Conflict, ErrorKind, InvalidKey, InvalidRequest, Key, KeyRange, ReadError, Rejection,
    Revision, ValueTooLarge, WriteError, WriteFailure,
};

/// Why a transaction, or the run of one, failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// Something that was read has changed. Nothing was written.
    #[error("{}", describe(.0))]
    Conflict(Conflict),
    /// The history of the revision read is gone: the transaction took longer than it is kept.
    /// Nothing was written.
    #[error(
        "revision {read_revision}, at which the transaction reads, is compacted; \
         the oldest readable revision is {horizon}"
    )]
    Compacted {
        /// The revision at which the transaction reads.
        read_revision: Revision,
        /// The oldest readable revision.
        horizon: Revision,
    },
    /// The transaction is older than `age_ms_max`. Nothing was written.
    #[error("the transaction began to read more than {age_ms_max} ms ago (age_ms_max)")]
    TooOld {
        /// The limit.
        age_ms_max: u64,
    },
    /// The key, or a key of the range, holds a versionstamp that this transaction gets only when it
    /// commits.
    #[error("{} can be read only after the commit: this transaction stamps it", name_of(.range))]
    Unreadable {
        /// Where the key is, or may be.
        range: KeyRange,
    },
    /// The transaction breaks a limit or a rule; the message names it.
    #[error("invalid transaction: {0}")]
    Invalid(InvalidRequest),
    /// A read failed.
    #[error("read failed: {0}")]
    Read(ReadError),
    /// A revision could not be pinned, or let go.
    #[error("pin failed: {0}")]
    Pin(Box<WriteError>),
    /// The commit failed, and did not and will not happen.
    #[error("commit failed: {0}")]
    Commit(Box<WriteError>),
    /// The commit may have happened, or may still. Look before you run the transaction again.
    #[error("the outcome of the commit is unknown: {0}")]
    CommitUnknown(Box<WriteError>),
    /// The transaction has committed, or failed to: it is over.
    #[error("the transaction is over")]
    Finished,
    /// A run has used up its attempts or its time. Nothing was written, unless the cause is
    /// [`TransactionError::CommitUnknown`].
    #[error("gave up after {attempts} attempts ({limit}){}", after(.cause))]
    GaveUp {
        /// How often the closure was begun.
        attempts: u32,
        /// The option that says when to give up.
        limit: &'static str,
        /// Why the last attempt failed; `None` when the first was cut off.
        cause: Option<Box<TransactionError>>,
    },
}

fn describe(conflict: &Conflict) -> String {
    let Conflict { key, range, expected, actual } = conflict;
    match range {
        None if *actual == Revision::ZERO => {
            format!("conflict: key {key} was read at its revision {expected} and is deleted now")
        }
        None if *expected == Revision::ZERO => {
            format!("conflict: key {key} was read as absent and is now at its revision {actual}")
        }
        None => {
            format!(
                "conflict: key {key} was read at its revision {expected} and is now at {actual}"
            )
        }
        Some(range) => format!(
            "conflict: range {} was read at revision {expected} and its key {key} changed at \
             revision {actual}",
            name_of(range)
        ),
    }
}

fn name_of(range: &KeyRange) -> String {
    let single = Key::new(range.start.clone()).ok().filter(|key| KeyRange::single(key) == *range);
    match (single, &range.end) {
        (Some(key), _) => format!("key {key}"),
        (None, Some(end)) => {
            format!("[{}, {})", range.start.escape_ascii(), end.escape_ascii())
        }
        (None, None) => format!("[{}, the last key]", range.start.escape_ascii()),
    }
}

fn after(cause: &Option<Box<TransactionError>>) -> String {
    cause.as_ref().map_or_else(String::new, |cause| format!(": {cause}"))
}

impl TransactionError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict(_) | Self::Compacted { .. } | Self::TooOld { .. } => ErrorKind::Conflict,
            Self::Unreadable { .. } | Self::Invalid(_) | Self::Finished => ErrorKind::Invalid,
            // The store named the revision itself; a replica that lags, or a leader that has been
            // deposed, does not know it yet.
            Self::Read(ReadError::FutureRevision { .. }) => ErrorKind::Retry,
            Self::Read(error) => error.kind(),
            Self::Pin(error) | Self::Commit(error) | Self::CommitUnknown(error) => error.kind(),
            Self::GaveUp { cause, .. } => {
                cause.as_ref().map_or(ErrorKind::Retry, |cause| cause.kind())
            }
        }
    }

    /// Whether the transaction may have happened, or may still happen.
    pub fn may_have_committed(&self) -> bool {
        match self {
            Self::CommitUnknown(_) => true,
            Self::GaveUp { cause, .. } => {
                cause.as_ref().is_some_and(|cause| cause.may_have_committed())
            }
            _ => false,
        }
    }

    /// Whether the transaction may succeed when it is run again with fresh reads. Never for an
    /// unknown outcome: running it again could apply it twice.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::CommitUnknown(_) | Self::GaveUp { .. } => false,
            // It passes only when someone frees space.
            Self::Commit(error) if matches!(error.failure, WriteFailure::DiskFull(_)) => false,
            error => matches!(
                error.kind(),
                ErrorKind::Conflict
                    | ErrorKind::Retry
                    | ErrorKind::Refresh
                    | ErrorKind::Unavailable
            ),
        }
    }

    /// A failed read as a transaction reports it.
    pub(crate) fn of_read(error: ReadError) -> Self {
        match error {
            ReadError::Compacted { requested, horizon } => {
                Self::Compacted { read_revision: requested, horizon }
            }
            ReadError::Invalid(invalid) => Self::Invalid(invalid),
            error => Self::Read(error),
        }
    }

    /// A failed pin as a snapshot reports it.
    pub(crate) fn of_pin(error: WriteError) -> Self {
        match error.failure {
            WriteFailure::Rejected(Rejection::Compacted { requested, horizon }) => {
                Self::Compacted { read_revision: requested, horizon }
            }
            _ => Self::Pin(error.into()),
        }
    }

    /// A failed commit as a transaction reports it.
    pub(crate) fn of_write(error: WriteError) -> Self {
        match error {
            WriteError { applied: Applied::Maybe, .. } => Self::CommitUnknown(error.into()),
            WriteError { failure: WriteFailure::Rejected(rejection), applied } => match rejection {
                Rejection::Conflict(conflict) => Self::Conflict(conflict),
                Rejection::Compacted { requested, horizon } => {
                    Self::Compacted { read_revision: requested, horizon }
                }
                Rejection::Invalid(detail) => Self::Invalid(InvalidRequest::new(detail)),
                rejection => Self::Commit(WriteError { failure: rejection.into(), applied }.into()),
            },
            WriteError { failure: WriteFailure::Invalid(invalid), .. } => Self::Invalid(invalid),
            error => Self::Commit(error.into()),
        }
    }
}

impl From<InvalidRequest> for TransactionError {
    fn from(error: InvalidRequest) -> Self {
        Self::Invalid(error)
    }
}

impl From<InvalidKey> for TransactionError {
    fn from(error: InvalidKey) -> Self {
        Self::Invalid(error.into())
    }
}

impl From<ValueTooLarge> for TransactionError {
    fn from(error: ValueTooLarge) -> Self {
        Self::Invalid(error.into())
    }
}

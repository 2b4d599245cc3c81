//! Why coordination failed.

use aspen_core::{
    Applied, ErrorKind, InvalidRequest, ReadError, Rejection, WatchError, WriteError, WriteFailure,
};
use aspen_txn::TransactionError;

/// Why an operation of a primitive failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoordinationError {
    /// What was held, or waited for in line, is lost: its lease has ended, or nobody could be
    /// reached for so long that it may have. Another may hold it already. For a message: its time
    /// is over and it is, or will be, delivered again.
    #[error("lost: the lease has ended, or may have")]
    LeaseLost,
    /// The time that the caller gave is over. Nothing is held; a place in line is given up, at the
    /// latest when its lease ends.
    #[error("not within the time given")]
    DeadlinePassed,
    /// As many members as the double barrier has are already inside.
    #[error("all {members} members are already there")]
    Full {
        /// How many members there are.
        members: u32,
    },
    /// The request is wrong.
    #[error("invalid request: {0}")]
    Invalid(#[from] InvalidRequest),
    /// A transaction failed.
    #[error(transparent)]
    Transaction(TransactionError),
    /// A write failed.
    #[error(transparent)]
    Write(WriteError),
    /// A read failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A watch failed.
    #[error(transparent)]
    Watch(#[from] WatchError),
}

impl CoordinationError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::LeaseLost | Self::Full { .. } => ErrorKind::Conflict,
            Self::DeadlinePassed => ErrorKind::Retry,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Transaction(error) => error.kind(),
            Self::Write(error) => error.kind(),
            Self::Read(error) => error.kind(),
            Self::Watch(error) => error.kind(),
        }
    }

    /// Whether a change that the operation was to make may have happened, or may still happen: a
    /// counter may have been raised, a message may be in the queue. What was to be held is not: it
    /// hangs on a lease that ends.
    pub fn may_have_applied(&self) -> bool {
        match self {
            Self::Transaction(error) => error.may_have_committed(),
            Self::Write(error) => error.applied == Applied::Maybe,
            _ => false,
        }
    }
}

impl From<WriteError> for CoordinationError {
    fn from(error: WriteError) -> Self {
        match &error.failure {
            WriteFailure::Rejected(Rejection::NoSuchLease { .. }) => Self::LeaseLost,
            _ => Self::Write(error),
        }
    }
}

impl From<TransactionError> for CoordinationError {
    fn from(error: TransactionError) -> Self {
        match lease_is_gone(&error) {
            true => Self::LeaseLost,
            false => Self::Transaction(error),
        }
    }
}

/// Whether a transaction failed since the lease of its keys has ended.
fn lease_is_gone(error: &TransactionError) -> bool {
    match error {
        TransactionError::Commit(error) => {
            matches!(&error.failure, WriteFailure::Rejected(Rejection::NoSuchLease { .. }))
        }
        TransactionError::GaveUp { cause: Some(cause), .. } => lease_is_gone(cause),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use aspen_core::LeaseId;

    use super::*;

    #[test]
    fn a_lease_that_is_gone_is_an_error_of_its_own_wherever_it_shows() {
        let gone = WriteError::not_applied(Rejection::NoSuchLease { lease: LeaseId::new(7) });
        let commit = TransactionError::Commit(Box::new(gone.clone()));
        let cause = Some(Box::new(commit.clone()));
        let gave_up = TransactionError::GaveUp { attempts: 3, limit: "attempts_max", cause };
        for error in [gone.into(), commit.into(), CoordinationError::from(gave_up)] {
            assert_eq!(error, CoordinationError::LeaseLost);
            assert_eq!((error.kind(), error.may_have_applied()), (ErrorKind::Conflict, false));
        }
    }

    #[test]
    fn an_unknown_outcome_is_told() {
        let lost = || WriteError::maybe_applied(WriteFailure::Timeout(String::new()));
        assert!(CoordinationError::from(lost()).may_have_applied());
        let commit = TransactionError::CommitUnknown(Box::new(lost()));
        assert!(CoordinationError::from(commit).may_have_applied());
        assert!(!CoordinationError::DeadlinePassed.may_have_applied());
    }
}

//! What a client knows of a write.

use aspen_core::{Applied, Conflict, Rejection, Revision, TransactionOutcome};
use aspen_core::{WriteError, WriteFailure};

use crate::check::Violation;

/// The answer to one write.
#[derive(Debug)]
pub(super) enum Written {
    /// It ran, one branch or the other.
    Done(TransactionOutcome),
    /// It did not run: something that it had read has changed.
    Conflict(Conflict),
    /// It did not run and will not.
    Failed,
    /// It may have run, may yet, or may never.
    Unknown,
}

/// What became of the changes that a write was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They happened, and the group was at this revision right after.
    Applied(Revision),
    /// They did not happen and will not.
    NotApplied,
    /// They may have happened, may yet, or may never.
    Unknown,
}

impl Written {
    /// The fate of the operations that run when the conditions hold.
    pub(super) fn fate(&self) -> Fate {
        match self {
            Self::Done(outcome) if outcome.succeeded => Fate::Applied(outcome.revision),
            Self::Done(_) | Self::Conflict(_) | Self::Failed => Fate::NotApplied,
            Self::Unknown => Fate::Unknown,
        }
    }

    /// What an error tells of the write.
    ///
    /// # Errors
    /// The error is one that a well-formed write never meets.
    pub(super) fn from_error(error: WriteError) -> Result<Self, Violation> {
        match (error.failure, error.applied) {
            (
                failure @ (WriteFailure::Invalid(_)
                | WriteFailure::Bug(_)
                | WriteFailure::Rejected(
                    // Every revision that a workload names was learnt from an answer, and what one
                    // replica has applied all others agree on before they apply anything later.
                    Rejection::Invalid(_) | Rejection::FutureRevision { .. },
                )),
                _,
            ) => Err(Violation::new("well-formed writes are served", failure.to_string())),
            (WriteFailure::Rejected(Rejection::Conflict(conflict)), Applied::No) => {
                Ok(Self::Conflict(conflict))
            }
            (_, Applied::No) => Ok(Self::Failed),
            (_, Applied::Maybe) => Ok(Self::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(error: WriteError) -> Fate {
        Written::from_error(error).unwrap().fate()
    }

    #[test]
    fn only_an_error_that_says_so_leaves_the_outcome_open() {
        let timeout = WriteFailure::Timeout("late".to_owned());
        assert_eq!(fate(WriteError::not_applied(timeout.clone())), Fate::NotApplied);
        assert_eq!(fate(WriteError::maybe_applied(timeout)), Fate::Unknown);
        let expired = Rejection::SessionExpired;
        assert_eq!(fate(WriteError::maybe_applied(expired)), Fate::Unknown);
    }

    #[test]
    fn errors_that_a_well_formed_write_never_meets_are_violations() {
        let bug = WriteFailure::Bug("reply of another kind".to_owned());
        assert!(Written::from_error(WriteError::maybe_applied(bug)).is_err());
        let (requested, current) = (Revision::new(9), Revision::new(8));
        let future = Rejection::FutureRevision { requested, current };
        assert!(Written::from_error(WriteError::not_applied(future)).is_err());
    }
}

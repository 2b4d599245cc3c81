//! How long a transaction may take, and how often it is tried.

use aspen_core::InvalidRequest;

/// The longest pause before a transaction runs again, in milliseconds: FoundationDB's.
pub const CONFLICT_BACKOFF_MS_MAX: u64 = 1_000;

/// The oldest that a transaction can be allowed to become, in milliseconds: for as long as groups
/// keep history by default. What is older could not be read any more.
pub const TRANSACTION_AGE_MS_MAX: u64 = 5 * 60 * 1_000;

/// How a [`crate::Database`] runs transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// How often the closure runs at most. More survives more contention; fewer finds out sooner
    /// that there is too much of it.
    pub attempts_max: u32,
    /// After this long no attempt begins and no closure goes on, in milliseconds. A commit that was
    /// sent is not cut off, since its outcome would be lost: the store's own limit ends it.
    pub timeout_ms: u64,
    /// How long after its first read a transaction may read and commit, in milliseconds, at most
    /// [`TRANSACTION_AGE_MS_MAX`]. Longer lets slow closures finish; they conflict with more, and
    /// waste more work when they do.
    pub age_ms_max: u64,
    /// The pause before the second attempt, in milliseconds; it doubles from attempt to attempt,
    /// and up to half of each is left out at random.
    pub backoff_ms_min: u64,
    /// Where doubling ends, in milliseconds, at most [`CONFLICT_BACKOFF_MS_MAX`].
    pub backoff_ms_max: u64,
    /// Whether the closure may run again although an earlier commit of it may have happened, or may
    /// still happen. Off, the run ends with [`crate::TransactionError::CommitUnknown`] instead. Set
    /// it for closures that leave the same behind however often they are applied.
    pub idempotent: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            attempts_max: 100,
            timeout_ms: 30_000,
            age_ms_max: 5_000,
            backoff_ms_min: 5,
            backoff_ms_max: CONFLICT_BACKOFF_MS_MAX,
            idempotent: false,
        }
    }
}

impl RunOptions {
    /// Checks the limits.
    ///
    /// # Errors
    /// Names the limit that is exceeded.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        at_most("TRANSACTION_AGE_MS_MAX", TRANSACTION_AGE_MS_MAX, self.age_ms_max)?;
        at_most("CONFLICT_BACKOFF_MS_MAX", CONFLICT_BACKOFF_MS_MAX, self.backoff_ms_max)?;
        at_most("backoff_ms_max", self.backoff_ms_max, self.backoff_ms_min)?;
        match self.attempts_max {
            0 => Err(InvalidRequest::new("attempts_max must be at least 1")),
            _ => Ok(()),
        }
    }
}

fn at_most(name: &str, limit: u64, actual: u64) -> Result<(), InvalidRequest> {
    let whole = |number| usize::try_from(number).unwrap_or(usize::MAX);
    match actual > limit {
        true => Err(InvalidRequest::limit(name, whole(limit), whole(actual))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_beyond_their_limits_name_them() {
        assert_eq!(RunOptions::default().validate(), Ok(()));
        let default = RunOptions::default;
        for (options, name) in [
            (RunOptions { age_ms_max: 300_001, ..default() }, "TRANSACTION_AGE_MS_MAX"),
            (RunOptions { backoff_ms_max: 1_001, ..default() }, "CONFLICT_BACKOFF_MS_MAX"),
            (RunOptions { backoff_ms_min: 1_001, ..default() }, "backoff_ms_max"),
            (RunOptions { attempts_max: 0, ..default() }, "attempts_max"),
        ] {
            let error = options.validate().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}

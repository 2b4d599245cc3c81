//! How often something was tried and how often it surely happened.

use std::sync::atomic::{AtomicU64, Ordering};

use super::fate::Fate;
use crate::check::Violation;

/// Counts attempts. An attempt counts as possible from before it is sent, so that a client that is
/// stopped in its midst leaves it counted as one that may have happened.
#[derive(Debug, Default)]
pub(super) struct Tally {
    begun: AtomicU64,
    applied: AtomicU64,
    not_applied: AtomicU64,
}

impl Tally {
    /// Notes an attempt before it is sent.
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes what became of an attempt.
    pub(super) fn settle(&self, fate: Fate) {
        match fate {
            Fate::Applied(_) => drop(self.applied.fetch_add(1, Ordering::SeqCst)),
            Fate::NotApplied => drop(self.not_applied.fetch_add(1, Ordering::SeqCst)),
            Fate::Unknown => {}
        }
    }

    /// How many attempts have surely happened.
    pub(super) fn applied(&self) -> u64 {
        self.applied.load(Ordering::SeqCst)
    }

    /// How many attempts may have happened, sure ones included.
    pub(super) fn possible(&self) -> u64 {
        self.begun.load(Ordering::SeqCst) - self.not_applied.load(Ordering::SeqCst)
    }

    /// Judges how often it happened, given how many were sure before that was looked up.
    pub(super) fn check(&self, what: &str, sure: u64, found: u64) -> Result<(), Violation> {
        let possible = self.possible();
        if (sure..=possible).contains(&found) {
            return Ok(());
        }
        let detail = format!(
            "{what}: happened {found} times; {sure} were acknowledged, {possible} were possible"
        );
        Err(Violation::new("every acknowledged change happens once, others at most once", detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_attempts_widen_the_bounds_and_failed_ones_do_not() {
        let tally = Tally::default();
        for fate in [Fate::Applied(aspen_core::Revision::ZERO), Fate::NotApplied, Fate::Unknown] {
            tally.begin();
            tally.settle(fate);
        }
        assert_eq!((tally.applied(), tally.possible()), (1, 2));
        let allowed = |found| tally.check("it", tally.applied(), found).is_ok();
        assert_eq!([0, 1, 2, 3].map(allowed), [false, true, true, false]);
    }
}

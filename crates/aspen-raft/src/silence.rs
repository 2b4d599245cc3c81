//! The silence of a restarted replica.
//!
//! A follower that hears from a leader promises not to elect another for the length of a lease, but
//! keeps that promise in memory only. If it restarted and voted at once, a new leader could be
//! elected while the old one still answers lease reads: they would be stale. So a replica that may
//! have promised something neither votes nor campaigns for one lease after it starts.

use std::sync::atomic::{AtomicBool, Ordering};

use aspen_storage::GroupLog;

/// Whether a replica keeps silent.
#[derive(Debug)]
pub(crate) struct Silence(AtomicBool);

impl Silence {
    /// A replica with an empty log and no vote has never promised anything.
    pub(crate) fn at_start(log: &dyn GroupLog) -> Self {
        let state = log.state();
        let has_past = log.vote().is_some() || state.last.is_some() || state.purged.is_some();
        Self(AtomicBool::new(has_past))
    }

    pub(crate) fn holds(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) {
        self.0.store(false, Ordering::Release);
    }
}

//! Numbers that tell apart all that a workload's clients ever begin.

use std::sync::atomic::{AtomicU64, Ordering};

/// Gives each number once. What a client writes carries such a number instead of the client's id,
/// so that a client that is stopped and started again does not repeat its own names.
#[derive(Debug, Default)]
pub(super) struct Runs(AtomicU64);

impl Runs {
    /// A number that was never given before.
    pub(super) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

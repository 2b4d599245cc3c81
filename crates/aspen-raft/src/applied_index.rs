//! How far this replica has applied, for those who wait for it.

use std::sync::atomic::{AtomicU64, Ordering};

use aspen_core::runtime::wait_until;
use tokio::sync::Notify;

/// The end of what is applied. Waiters are woken in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct AppliedIndex {
    /// The index after the last applied entry.
    end: AtomicU64,
    moved: Notify,
}

impl AppliedIndex {
    /// Records that everything up to and including `last` is applied and readable.
    pub(crate) fn advance(&self, last: u64) {
        self.end.fetch_max(last + 1, Ordering::AcqRel);
        self.moved.notify_waiters();
    }

    /// Waits until the entry at `index` is applied.
    pub(crate) async fn reach(&self, index: u64) {
        wait_until(&self.moved, || self.end.load(Ordering::Acquire) > index).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiters_wake_when_their_entry_is_applied() {
        let applied = std::sync::Arc::new(AppliedIndex::default());
        let waiter = {
            let applied = applied.clone();
            aspen_core::runtime::spawn(async move { applied.reach(5).await })
        };
        applied.advance(4);
        assert!(!waiter.is_finished());
        applied.advance(5);
        waiter.await.expect("the waiter does not panic");
        applied.reach(3).await;
    }
}

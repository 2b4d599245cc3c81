//! How far what this replica has begun to append is on the disk.
//!
//! A leader sends entries to its followers while its own log still syncs them (Ongaro, "Consensus:
//! Bridging Theory and Practice", section 10.2.1). Three rules keep that safe:
//!
//! * The leader counts itself towards a commit only once its own sync is done (openraft's flush
//!   accounting), and a restarted leader never goes on in its old term, so that no position of the
//!   log is used twice.
//! * Nothing is applied before it is durable here ([`Durability::reach`]): the state machine cannot
//!   outrun the log.
//! * No answer leaves for another replica before everything begun earlier is durable
//!   ([`Durability::settle`]): what a peer hears survives a crash, whatever path led to the answer.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aspen_core::runtime::{timeout, wait_until};
use aspen_storage::LogError;
use tokio::sync::Notify;

/// How often a replica whose disk is full looks whether there is room again.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(200);

/// Appends begun and completed, for one replica.
#[derive(Debug, Default)]
pub(crate) struct Durability {
    /// How many appends were begun without waiting for them.
    begun: AtomicU64,
    /// How many of them are durable; they come to be in order.
    completed: AtomicU64,
    failed: AtomicBool,
    /// An append waits for room on the disk, and everything that consensus does waits behind it.
    stalled: AtomicBool,
    stopping: AtomicBool,
    moved: Notify,
}

impl Durability {
    /// Counts an append that is about to begin.
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts an append that has completed. One that failed is never durable, and none after it.
    pub(crate) fn complete(&self, outcome: &Result<(), LogError>) {
        match outcome {
            Ok(()) => drop(self.completed.fetch_add(1, Ordering::AcqRel)),
            Err(_) => self.failed.store(true, Ordering::Release),
        }
        self.moved.notify_waiters();
    }

    /// Waits a while for room on the disk; answers whether to look again. Meanwhile the replica is
    /// stalled, and hears nothing: what its peers sent would pile up.
    pub(crate) async fn wait_for_room(&self) -> bool {
        let stopping = || self.stopping.load(Ordering::Acquire);
        self.stalled.store(true, Ordering::Release);
        let _ = timeout(LOOK_FOR_ROOM, wait_until(&self.moved, stopping)).await;
        !stopping()
    }

    /// An append has found room, or failed for another reason.
    pub(crate) fn go_on(&self) {
        self.stalled.store(false, Ordering::Release);
    }

    /// Whether an append waits for room on the disk.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Acquire)
    }

    /// Ends the wait for room.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.moved.notify_waiters();
    }

    /// Waits until every append begun so far is durable.
    ///
    /// # Errors
    /// An append has failed: the log takes no more writes.
    pub(crate) async fn settle(&self) -> io::Result<()> {
        let begun = self.begun.load(Ordering::Acquire);
        self.reach(|| self.completed.load(Ordering::Acquire) >= begun).await
    }

    /// Waits until something holds that completed appends bring about.
    ///
    /// # Errors
    /// As [`Durability::settle`].
    pub(crate) async fn reach(&self, holds: impl Fn() -> bool) -> io::Result<()> {
        let failed = || self.failed.load(Ordering::Acquire);
        wait_until(&self.moved, || holds() || failed()).await;
        match holds() {
            true => Ok(()),
            false => Err(io::Error::other("an earlier append to the log failed")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn settling_waits_for_what_was_begun_before_and_nothing_else() {
        let durability = Arc::new(Durability::default());
        durability.settle().await.unwrap();
        durability.begin();
        let waiter = {
            let durability = durability.clone();
            aspen_core::runtime::spawn(async move { durability.settle().await })
        };
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        durability.begin();
        durability.complete(&Ok(()));
        waiter.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_replica_waits_for_room_until_it_stops() {
        let durability = Arc::new(Durability::default());
        assert!(durability.wait_for_room().await && durability.is_stalled());
        durability.go_on();
        assert!(!durability.is_stalled());
        let waiter = {
            let durability = durability.clone();
            aspen_core::runtime::spawn(async move { durability.wait_for_room().await })
        };
        tokio::task::yield_now().await;
        durability.stop();
        assert!(!waiter.await.unwrap());
    }

    #[tokio::test]
    async fn a_failed_append_settles_nothing_any_more() {
        let durability = Durability::default();
        durability.begin();
        durability.complete(&Err(LogError::Io("gone".into())));
        assert!(durability.reach(|| false).await.is_err());
    }

    /// A failed append once counted as completed. A leader whose disk had failed then went on
    /// answering its peers, until it heard of the failure itself, as if its entries were safe.
    #[tokio::test]
    async fn nothing_is_settled_by_the_append_that_failed() {
        let durability = Durability::default();
        durability.begin();
        durability.begin();
        durability.complete(&Ok(()));
        durability.complete(&Err(LogError::Io("gone".into())));
        assert!(durability.settle().await.is_err());
    }
}

//! Keeping a revision readable.

use std::sync::Arc;

use aspen_core::{
    LeaseGuard, LeaseId, Leases, Pins, Rejection, Revision, WriteError, WriteFailure, runtime,
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The time to live of the lease behind a pinned snapshot, in milliseconds. A longer one outlives
/// longer outages; a shorter one lets the space go sooner that a process held when it died.
pub const SNAPSHOT_LEASE_TTL_MS: u64 = 30_000;

/// A pin of one revision. Dropped, it ends in the background; should nobody be reached then, it
/// ends with its lease.
pub(crate) struct Pin {
    pub(crate) revision: Revision,
    guard: LeaseGuard,
    leases: Arc<dyn Leases>,
    /// Told when the lease was ended; dropped untold, it makes the background task end it.
    ended: Mutex<Option<oneshot::Sender<()>>>,
}

impl Pin {
    /// Pins a revision, the newest unless one is named.
    ///
    /// # Errors
    /// When the lease is not granted or the revision not pinned; nothing is held then.
    pub(crate) async fn new(
        pins: Arc<dyn Pins>,
        revision: Option<Revision>,
    ) -> Result<Self, WriteError> {
        let leases: Arc<dyn Leases> = pins.clone();
        let guard = LeaseGuard::grant(leases.clone(), None, SNAPSHOT_LEASE_TTL_MS).await?;
        let (ended, forgotten) = oneshot::channel::<()>();
        let (lease, ending) = (guard.lease(), leases.clone());
        runtime::spawn(async move {
            if forgotten.await.is_err() {
                // Should this fail, the lease ends by itself.
                let _ = end(&*ending, lease).await;
            }
        });
        let revision = pins.pin(lease, revision).await?;
        Ok(Self { revision, guard, leases, ended: Mutex::new(Some(ended)) })
    }

    /// Whether the revision is surely pinned.
    pub(crate) fn is_held(&self) -> bool {
        self.guard.is_held()
    }

    /// Ends the pin.
    ///
    /// # Errors
    /// When nobody could be reached.
    pub(crate) async fn release(&self) -> Result<(), WriteError> {
        end(&*self.leases, self.guard.lease()).await?;
        if let Some(ended) = self.ended.lock().take() {
            let _ = ended.send(());
        }
        Ok(())
    }
}

/// Ends a lease; one that has ended already is fine.
async fn end(leases: &dyn Leases, lease: LeaseId) -> Result<(), WriteError> {
    match leases.revoke(lease).await {
        Err(error) if !is_over(&error) => Err(error),
        _ => Ok(()),
    }
}

fn is_over(error: &WriteError) -> bool {
    matches!(error.failure, WriteFailure::Rejected(Rejection::NoSuchLease { .. }))
}

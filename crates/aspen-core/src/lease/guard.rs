//! Holding a lease: it is kept alive in the background, and the holder learns when it is lost.

use std::sync::Arc;
use std::time::Duration;

use crate::runtime::{self, Instant, watch};
use crate::{LeaseId, LeaseRevocation, Leases, WriteError};

/// Into how many parts the TTL is divided by keep-alives: two may be lost without harm.
const KEEP_ALIVES_PER_TTL: u32 = 3;

/// The same for attempts after one has failed.
const ATTEMPTS_PER_TTL: u32 = 12;

/// A lease that is kept alive while the guard exists.
///
/// The lease is held until its TTL has passed since the last successful keep-alive was *sent*: the
/// group lets it live at least that long. After that another may hold what it stands for, so a
/// holder acts only while [`LeaseGuard::is_held`], and stops when [`LeaseGuard::lost`] returns.
///
/// A guard that is dropped stops keeping the lease alive; it ends within its TTL. To end it at once
/// use [`LeaseGuard::release`].
///
/// ```
/// use std::sync::Arc;
/// use aspen_core::{Key, KeyValueStore, LeaseGuard, MemoryStore, Operation, Value, WriteCommand};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let store = Arc::new(MemoryStore::new()); // a `Client`, or a node's store, works the same
/// let guard = LeaseGuard::grant(store.clone(), None, 10_000).await?;
/// let (key, value) = (Key::try_from("services/a")?, Value::try_from("10.0.0.1:80")?);
/// let register = Operation::Put { key, value, lease: Some(guard.lease()) };
/// store.write(WriteCommand::Batch { operations: vec![register] }).await?;
/// assert!(guard.is_held());
/// guard.release().await?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct LeaseGuard {
    leases: Arc<dyn Leases>,
    lease: LeaseId,
    ttl: Duration,
    held_until: watch::Receiver<HeldUntil>,
    /// Dropped, it ends the background task.
    _keeping: Arc<()>,
}

/// Until when the lease is surely held; `None` once it is known to have ended.
type HeldUntil = Option<Instant>;

impl LeaseGuard {
    /// Grants a lease and begins to keep it alive.
    ///
    /// # Errors
    /// As [`Leases::grant`].
    pub async fn grant(
        leases: Arc<dyn Leases>,
        lease: Option<LeaseId>,
        ttl_ms: u64,
    ) -> Result<Self, WriteError> {
        let sent = runtime::now();
        let granted = leases.grant(lease, ttl_ms).await?;
        let ttl = Duration::from_millis(granted.ttl_ms);
        let (teller, held_until) = watch::channel(Some(sent + ttl));
        let keeping = Arc::new(());
        let keeper = Keeper { leases: leases.clone(), lease: granted.lease, ttl, teller };
        let alive = Arc::downgrade(&keeping);
        runtime::spawn(async move { keeper.run(sent, || alive.strong_count() > 0).await });
        Ok(Self { leases, lease: granted.lease, ttl, held_until, _keeping: keeping })
    }

    /// The lease, to attach keys to.
    pub fn lease(&self) -> LeaseId {
        self.lease
    }

    /// Its TTL.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Whether the lease is surely still in force.
    pub fn is_held(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// For how long the lease is surely still in force, even if nobody can be reached from now on;
    /// zero once it is not.
    pub fn remaining(&self) -> Duration {
        let until = *self.held_until.borrow();
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(runtime::now()))
    }

    /// Waits until the lease is not surely held any more: it has ended, or nobody could be reached
    /// for so long that it may have.
    pub async fn lost(&self) {
        let mut changes = self.held_until.clone();
        loop {
            let now = *changes.borrow_and_update();
            let Some(until) = now.filter(|until| runtime::now() < *until) else { return };
            tokio::select! {
                biased;
                changed = changes.changed() => if changed.is_err() {
                    return runtime::sleep_until(until).await;
                },
                () = runtime::sleep_until(until) => {}
            }
        }
    }

    /// Ends the lease and deletes its keys.
    ///
    /// # Errors
    /// As [`Leases::revoke`]; the lease then ends within its TTL.
    pub async fn release(self) -> Result<LeaseRevocation, WriteError> {
        let Self { leases, lease, _keeping, .. } = self;
        drop(_keeping);
        leases.revoke(lease).await
    }
}

impl std::fmt::Debug for LeaseGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseGuard").field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// The background half of a guard.
struct Keeper {
    leases: Arc<dyn Leases>,
    lease: LeaseId,
    ttl: Duration,
    teller: watch::Sender<HeldUntil>,
}

impl Keeper {
    /// Keeps the lease alive from when it was last sent for, until it is lost or nobody holds the
    /// guard. Once lost it stays lost, even if the group would give it more time.
    async fn run(self, mut sent: Instant, is_wanted: impl Fn() -> bool) {
        let mut next = sent + self.ttl / KEEP_ALIVES_PER_TTL;
        loop {
            let held_until = sent + self.ttl;
            runtime::sleep_until(next.min(held_until)).await;
            let begun = runtime::now();
            if begun >= held_until || !is_wanted() {
                break;
            }
            let keep_alive = self.leases.keep_alive(vec![self.lease]);
            match runtime::timeout(held_until - begun, keep_alive).await {
                Ok(Ok(kept)) if kept.first().is_some_and(Option::is_some) => {
                    sent = begun;
                    next = sent + self.ttl / KEEP_ALIVES_PER_TTL;
                    self.teller.send_replace(Some(sent + self.ttl));
                }
                Ok(Ok(_)) | Err(_) => break,
                Ok(Err(error)) => {
                    tracing::debug!(lease = %self.lease, %error, "lease not kept alive yet");
                    next = runtime::now() + self.ttl / ATTEMPTS_PER_TTL;
                }
            }
        }
        self.teller.send_replace(None);
    }
}

#[cfg(test)]
mod tests;

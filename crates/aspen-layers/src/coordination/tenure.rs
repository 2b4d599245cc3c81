//! A lease that is held for one purpose, and given back when it is over.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{LeaseGuard, LeaseId, Leases, Rejection, WriteFailure, runtime};
use tokio::sync::oneshot;

use super::coordinator::milliseconds;
use super::{CoordinationError, Coordinator};

/// A lease of one holder or waiter. Its keys go away with it: at once when it is ended or dropped,
/// within its TTL when nobody can be reached or the process dies.
pub(super) struct Tenure {
    guard: LeaseGuard,
    leases: Arc<dyn Leases>,
    /// Told when the lease was ended; dropped untold, it makes the background task end it.
    ended: oneshot::Sender<()>,
}

impl Tenure {
    /// Grants the lease and begins to keep it alive.
    pub(super) async fn begin(coordinator: &Coordinator) -> Result<Self, CoordinationError> {
        let leases = coordinator.leases.clone();
        let ttl_ms = milliseconds(coordinator.ttl);
        let guard = LeaseGuard::grant(leases.clone(), None, ttl_ms).await?;
        let (ended, forgotten) = oneshot::channel();
        let (lease, revoker) = (guard.lease(), leases.clone());
        runtime::spawn(async move {
            if forgotten.await.is_err() {
                revoke_once(&*revoker, lease).await;
            }
        });
        Ok(Self { guard, leases, ended })
    }

    pub(super) fn lease(&self) -> LeaseId {
        self.guard.lease()
    }

    pub(super) fn is_held(&self) -> bool {
        self.guard.is_held()
    }

    pub(super) fn remaining(&self) -> Duration {
        self.guard.remaining()
    }

    pub(super) async fn lost(&self) {
        self.guard.lost().await;
    }

    /// Does something that is of use only while the lease is held.
    pub(super) async fn while_held<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CoordinationError>
    where
        CoordinationError: From<E>,
    {
        let result = tokio::select! {
            biased;
            result = work => result?,
            () = self.lost() => return Err(CoordinationError::LeaseLost),
        };
        match self.is_held() {
            true => Ok(result),
            false => Err(CoordinationError::LeaseLost),
        }
    }

    /// Ends the lease and deletes its keys. Given up half-way, it is ended in the background.
    pub(super) async fn end(self) -> Result<(), CoordinationError> {
        let Self { guard, leases, ended } = self;
        let result = leases.revoke(guard.lease()).await;
        let _ = ended.send(());
        result.map(drop).map_err(Into::into)
    }
}

/// Ends a lease if somebody can be reached; otherwise it ends by itself.
async fn revoke_once(leases: &dyn Leases, lease: LeaseId) {
    match leases.revoke(lease).await {
        Ok(_) => {}
        Err(error) => match error.failure {
            WriteFailure::Rejected(Rejection::NoSuchLease { .. }) => {}
            _ => tracing::debug!(%lease, %error, "lease is left to end by itself"),
        },
    }
}

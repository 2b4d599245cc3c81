//! Leases of a store that may lie about them.

use std::sync::Arc;

use aspen_core::{
    LEASE_TTL_MS_MAX, LeaseGrant, LeaseId, LeaseRevocation, LeaseStatus, Leases, Operation, Pins,
    ReadError, Revision, Transaction, Value, WriteError,
};
use async_trait::async_trait;

use super::Lie;
use super::faulty_store::{FAULT_ONE_IN, FaultyStore, unavailable};

/// The leases of a [`FaultyStore`].
pub(super) struct FaultyLeases(pub(super) Arc<FaultyStore>);

impl FaultyLeases {
    /// Whether a request is lost on its way; else its answer may be.
    fn loses(&self) -> bool {
        self.0.chance(FAULT_ONE_IN)
    }
}

#[async_trait]
impl Leases for FaultyLeases {
    async fn grant(&self, _: Option<LeaseId>, ttl_ms: u64) -> Result<LeaseGrant, WriteError> {
        self.0.arrive(&("grant", ttl_ms)).await;
        if self.loses() {
            return Err(WriteError::not_applied(unavailable()));
        }
        let granted_ms = if self.0.lies(Lie::EndlessLeases) { LEASE_TTL_MS_MAX } else { ttl_ms };
        let lease = Some(self.0.draw_lease());
        let granted = self.0.store().grant(lease, granted_ms).await?;
        match self.loses() {
            true => Err(WriteError::maybe_applied(unavailable())),
            false => Ok(LeaseGrant { ttl_ms, ..granted }),
        }
    }

    async fn keep_alive(&self, leases: Vec<LeaseId>) -> Result<Vec<Option<u64>>, ReadError> {
        self.0.arrive(&("keep alive", &leases)).await;
        if self.loses() {
            return Err(ReadError::Unavailable("no node answers".to_owned()));
        }
        let kept = self.0.store().keep_alive(leases.clone()).await?;
        if self.0.lies(Lie::EarlyEnds) {
            for lease in leases {
                self.0.store().revoke_lease(lease);
            }
        }
        match self.loses() {
            true => Err(ReadError::Timeout("the answer is lost".to_owned())),
            false => Ok(kept),
        }
    }

    async fn revoke(&self, lease: LeaseId) -> Result<LeaseRevocation, WriteError> {
        self.0.arrive(&("revoke", lease)).await;
        if self.loses() {
            return Err(WriteError::not_applied(unavailable()));
        }
        let keys = self.0.store().time_to_live(lease, true).await.unwrap();
        let revoked = self.0.store().revoke(lease).await?;
        let last = keys.and_then(|mut status| status.keys.pop());
        if let Some(key) = last.filter(|_| self.0.lies(Lie::OutlivingKeys)) {
            let success = vec![Operation::put(key, Value::default())];
            self.0.store().execute(&Transaction { success, ..Transaction::default() });
        }
        match self.loses() {
            true => Err(WriteError::maybe_applied(unavailable())),
            false => Ok(revoked),
        }
    }

    async fn time_to_live(
        &self,
        lease: LeaseId,
        with_keys: bool,
    ) -> Result<Option<LeaseStatus>, ReadError> {
        self.0.store().time_to_live(lease, with_keys).await
    }

    async fn list(&self) -> Result<Vec<LeaseId>, ReadError> {
        self.0.store().list().await
    }
}

#[async_trait]
impl Pins for FaultyLeases {
    async fn pin(
        &self,
        lease: LeaseId,
        revision: Option<Revision>,
    ) -> Result<Revision, WriteError> {
        self.0.arrive(&("pin", lease, revision)).await;
        if self.loses() {
            return Err(WriteError::not_applied(unavailable()));
        }
        let pinned = match self.0.lies(Lie::ForgottenPins) {
            true => revision.unwrap_or(self.0.store().revision()),
            false => self.0.store().pin(lease, revision).await?,
        };
        match self.loses() {
            true => Err(WriteError::maybe_applied(unavailable())),
            false => Ok(pinned),
        }
    }
}

//! Leases of a process that is paused now and then.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{
    LeaseGrant, LeaseId, LeaseRevocation, LeaseStatus, Leases, ReadError, WriteError,
};
use async_trait::async_trait;
use parking_lot::Mutex;

/// Leases that are not kept alive during a pause.
pub(super) struct PausingLeases {
    leases: Arc<dyn Leases>,
    paused_until: Mutex<Instant>,
}

impl PausingLeases {
    pub(super) fn new(leases: Arc<dyn Leases>) -> Self {
        Self { leases, paused_until: Mutex::new(runtime::now()) }
    }

    /// Pauses, as a process does that its machine or its memory's collector stops.
    pub(super) async fn pause(&self, pause: Duration) {
        let until = runtime::now() + pause;
        *self.paused_until.lock() = until;
        runtime::sleep_until(until).await;
    }
}

#[async_trait]
impl Leases for PausingLeases {
    async fn grant(&self, lease: Option<LeaseId>, ttl_ms: u64) -> Result<LeaseGrant, WriteError> {
        self.leases.grant(lease, ttl_ms).await
    }

    async fn keep_alive(&self, leases: Vec<LeaseId>) -> Result<Vec<Option<u64>>, ReadError> {
        let until = *self.paused_until.lock();
        runtime::sleep_until(until).await;
        self.leases.keep_alive(leases).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<LeaseRevocation, WriteError> {
        self.leases.revoke(lease).await
    }

    async fn time_to_live(
        &self,
        lease: LeaseId,
        with_keys: bool,
    ) -> Result<Option<LeaseStatus>, ReadError> {
        self.leases.time_to_live(lease, with_keys).await
    }

    async fn list(&self) -> Result<Vec<LeaseId>, ReadError> {
        self.leases.list().await
    }
}

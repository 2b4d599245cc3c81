//! Leases held over a store in this process.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    LeaseGrant, LeaseGuard, LeaseId, LeaseRevocation, LeaseStatus, Leases, MemoryStore, ReadError,
    WriteError, runtime,
};

/// A store whose keep-alives can be made to fail, and are counted.
#[derive(Default)]
struct Flaky {
    store: MemoryStore,
    fails: AtomicBool,
    kept: AtomicU64,
    tried: Notify,
}

#[async_trait]
impl Leases for Flaky {
    async fn grant(&self, lease: Option<LeaseId>, ttl_ms: u64) -> Result<LeaseGrant, WriteError> {
        self.store.grant(lease, ttl_ms).await
    }

    async fn keep_alive(&self, leases: Vec<LeaseId>) -> Result<Vec<Option<u64>>, ReadError> {
        self.tried.notify_one();
        if self.fails.load(Ordering::Relaxed) {
            return Err(ReadError::Unavailable("no quorum".to_owned()));
        }
        self.kept.fetch_add(1, Ordering::Relaxed);
        self.store.keep_alive(leases).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<LeaseRevocation, WriteError> {
        self.store.revoke(lease).await
    }

    async fn time_to_live(
        &self,
        lease: LeaseId,
        with_keys: bool,
    ) -> Result<Option<LeaseStatus>, ReadError> {
        self.store.time_to_live(lease, with_keys).await
    }

    async fn list(&self) -> Result<Vec<LeaseId>, ReadError> {
        self.store.list().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_held_until_it_is_revoked() {
    let leases = Arc::new(Flaky::default());
    let guard = LeaseGuard::grant(leases.clone(), None, 1_000).await.unwrap();
    // Four keep-alives take longer than the TTL: without them it would be lost.
    while leases.kept.load(Ordering::Relaxed) < 4 {
        assert!(guard.is_held());
        leases.tried.notified().await;
    }
    leases.revoke(guard.lease()).await.unwrap();
    guard.lost().await;
    assert!(!guard.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_could_keep_alive_is_lost_within_its_ttl() {
    let leases = Arc::new(Flaky::default());
    leases.fails.store(true, Ordering::Relaxed);
    let begun = runtime::now();
    let guard = LeaseGuard::grant(leases.clone(), None, 1_000).await.unwrap();
    guard.lost().await;
    assert!(runtime::now() - begun >= guard.ttl());
    assert!(!guard.is_held());
    // It comes back too late.
    leases.fails.store(false, Ordering::Relaxed);
    guard.lost().await;
}

#[tokio::test(start_paused = true)]
async fn releasing_ends_the_lease_at_once_and_dropping_only_stops_keeping_it() {
    let leases = Arc::new(Flaky::default());
    let released = LeaseGuard::grant(leases.clone(), None, 60_000).await.unwrap();
    released.release().await.unwrap();
    assert!(leases.list().await.unwrap().is_empty());
    let dropped = LeaseGuard::grant(leases.clone(), None, 60_000).await.unwrap();
    let lease = dropped.lease();
    drop(dropped);
    assert_eq!(leases.list().await.unwrap(), [lease]);
}

//! A process at a store that others use as well, which can be cut off from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aspen_core::{
    KeyRange, KeyValueStore, LeaseGrant, LeaseId, LeaseRevocation, LeaseStatus, Leases,
    MemoryStore, ReadError, ReadReply, ReadRequest, ScanPage, ScanRequest, TransactionOutcome,
    Watch, WatchError, WatchRequest, WatchStream, WriteCommand, WriteError, WriteFailure,
};
use aspen_layers::coordination::Coordinator;
use async_trait::async_trait;

/// How long what a process holds outlives it in these tests.
pub(crate) const TTL: Duration = Duration::from_secs(3);

/// A store as one process reaches it. Cut off, it is as good as paused or dead: nothing of it
/// arrives any more.
#[derive(Clone, Default)]
pub(crate) struct Process {
    pub(crate) store: MemoryStore,
    is_cut: Arc<AtomicBool>,
}

impl Process {
    /// Another process at the same store.
    pub(crate) fn other(&self) -> Self {
        Self { store: self.store.clone(), is_cut: Arc::default() }
    }

    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    pub(crate) fn coordinator(&self) -> Coordinator {
        Coordinator::new(Arc::new(self.clone())).with_ttl(TTL).unwrap()
    }

    /// How many keys there are.
    pub(crate) async fn keys(&self) -> usize {
        let scan = ScanRequest::new(KeyRange::all());
        self.store.scan(scan).await.unwrap().entries.len()
    }

    /// Lets others go on first, now and then.
    async fn arrive(&self) -> Result<(), ReadError> {
        for _ in 0..below(3) {
            tokio::task::yield_now().await;
        }
        match self.is_cut.load(Ordering::SeqCst) {
            true => Err(ReadError::Unavailable("cut off".to_owned())),
            false => Ok(()),
        }
    }

    async fn arrive_to_write(&self) -> Result<(), WriteError> {
        let failure = |_| WriteFailure::Unavailable("cut off".to_owned());
        self.arrive().await.map_err(failure).map_err(WriteError::not_applied)
    }
}

#[async_trait]
impl KeyValueStore for Process {
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        self.arrive().await?;
        self.store.read(request).await
    }

    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        self.arrive().await?;
        self.store.scan(request).await
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        self.arrive_to_write().await?;
        self.store.write(command).await
    }
}

#[async_trait]
impl Watch for Process {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream, WatchError> {
        self.arrive().await.map_err(|error| WatchError::Unavailable(error.to_string()))?;
        self.store.watch(request).await
    }
}

#[async_trait]
impl Leases for Process {
    async fn grant(&self, lease: Option<LeaseId>, ttl_ms: u64) -> Result<LeaseGrant, WriteError> {
        self.arrive_to_write().await?;
        self.store.grant(lease, ttl_ms).await
    }

    async fn keep_alive(&self, leases: Vec<LeaseId>) -> Result<Vec<Option<u64>>, ReadError> {
        self.arrive().await?;
        self.store.keep_alive(leases).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<LeaseRevocation, WriteError> {
        self.arrive_to_write().await?;
        self.store.revoke(lease).await
    }

    async fn time_to_live(
        &self,
        lease: LeaseId,
        with_keys: bool,
    ) -> Result<Option<LeaseStatus>, ReadError> {
        self.arrive().await?;
        self.store.time_to_live(lease, with_keys).await
    }

    async fn list(&self) -> Result<Vec<LeaseId>, ReadError> {
        self.arrive().await?;
        self.store.list().await
    }
}

/// Lets everything that can go on do so, for a while.
pub(crate) async fn settle() {
    aspen_core::runtime::sleep(Duration::from_millis(500)).await;
}

/// A number below `end`, for choices of randomized tests.
pub(crate) fn below(end: u64) -> u64 {
    aspen_core::runtime::random_u64() % end
}

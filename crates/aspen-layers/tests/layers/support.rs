//! Short forms.

use std::sync::Arc;

use aspen_core::{
    Key, KeyRange, KeyValueStore, MemoryStore, ReadError, ReadReply, ReadRequest, ScanPage,
    ScanRequest, TransactionOutcome, Value, WriteCommand, WriteError,
};
use aspen_layers::directory::{Directory, DirectoryError, DirectoryLayer};
use aspen_txn::{Database, RunOptions, Transaction};
use async_trait::async_trait;

/// An empty store, and transactions over it that run again without pauses.
pub(crate) fn store() -> (Arc<MemoryStore>, Database) {
    let store = Arc::new(MemoryStore::new());
    let options = RunOptions { backoff_ms_min: 0, backoff_ms_max: 0, ..RunOptions::default() };
    let database = Database::new(store.clone()).with_options(options).unwrap();
    (store, database)
}

/// A store whose readers take turns, so that what runs at once meets.
#[derive(Default)]
pub(crate) struct Yielding(MemoryStore);

#[async_trait]
impl KeyValueStore for Yielding {
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        tokio::task::yield_now().await;
        self.0.read(request).await
    }

    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        tokio::task::yield_now().await;
        self.0.scan(request).await
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        self.0.write(command).await
    }
}

/// Everything stored.
pub(crate) async fn stored(store: &MemoryStore) -> Vec<(Key, Value)> {
    let request = ScanRequest { limit: 10_000, ..ScanRequest::new(KeyRange::all()) };
    let page = store.scan(request).await.unwrap();
    assert!(page.cursor.is_none());
    page.entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
}

/// Creates a directory in a transaction of its own.
pub(crate) async fn create(
    database: &Database,
    layer: &DirectoryLayer,
    path: &[&str],
) -> Result<Directory, DirectoryError> {
    database.run(|tx| async move { layer.create(&tx, path, b"").await }).await
}

/// Whether a transaction commits; otherwise it conflicts.
pub(crate) async fn commits(tx: &Transaction) -> bool {
    match tx.commit().await {
        Ok(_) => true,
        Err(aspen_txn::TransactionError::Conflict(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn key(bytes: &[u8]) -> Key {
    Key::new(bytes.to_vec()).unwrap()
}

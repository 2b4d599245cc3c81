//! Reads of one transaction that run at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aspen_core::{
    Consistency, Key, KeyRange, KeyValueStore, MemoryStore, ReadError, ReadReply, ReadRequest,
    ScanPage, ScanRequest, StampPosition, TransactionOutcome, Value, Versionstamp, WriteCommand,
    WriteError,
};
use aspen_txn::TransactionError;
use async_trait::async_trait;

use crate::support::{database_over, key, set, value};

/// A store that changes whenever it is asked what is newest.
#[derive(Default)]
struct Moving {
    store: MemoryStore,
    linearizable: AtomicU32,
}

impl Moving {
    async fn moves(&self, consistency: Consistency) {
        if consistency == Consistency::Linearizable {
            self.linearizable.fetch_add(1, Ordering::Relaxed);
            set(&self.store, "moved", "once more").await;
        }
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl KeyValueStore for Moving {
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        self.moves(request.consistency).await;
        self.store.read(request).await
    }

    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        self.moves(request.consistency).await;
        self.store.scan(request).await
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        self.store.write(command).await
    }
}

#[tokio::test]
async fn reads_that_begin_together_read_at_one_revision() {
    let store = Arc::new(Moving::default());
    let tx = database_over(store.clone()).begin();
    let (key, all) = (key("moved"), KeyRange::all());
    let (a, page, b) = tokio::join!(tx.get(&key), tx.get_range(all), tx.get(&key));
    assert_eq!(a.unwrap(), b.unwrap());
    assert_eq!(page.unwrap().entries.len(), 1);
    assert_eq!(store.linearizable.load(Ordering::Relaxed), 1);
    assert_eq!(tx.read_revision().await.unwrap().get(), 1);
}

/// What is stamped while a page is on its way is not left out of it silently.
#[tokio::test]
async fn a_write_during_a_range_read_is_seen() {
    let store = Arc::new(Moving::default());
    let tx = database_over(store).begin();
    let write = async {
        tx.set(key("a"), value("mine")).unwrap();
        let stamp = Value::new(Versionstamp::PLACEHOLDER.to_vec()).unwrap();
        tx.set_versionstamped(key("b"), stamp, StampPosition::Value(0)).unwrap();
    };
    let (page, ()) = tokio::join!(tx.get_range(KeyRange::all()), write);
    let page = page.unwrap();
    let keys: Vec<Key> = page.entries.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [key("a")]);
    let beyond = tx.get_range(page.next.unwrap()).await;
    assert!(matches!(beyond, Err(TransactionError::Unreadable { .. })), "{beyond:?}");
}

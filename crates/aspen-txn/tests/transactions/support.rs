//! Short forms.

use std::sync::Arc;

use aspen_core::{AtomicOperation, Key, KeyRange, KeyValueStore, MemoryStore, Revision, Value};
use aspen_txn::{Database, RangePage, RunOptions, Transaction, TransactionError};

pub(crate) fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

pub(crate) fn value(text: &str) -> Value {
    Value::try_from(text).unwrap()
}

pub(crate) fn range(start: &str, end: &str) -> KeyRange {
    KeyRange::half_open(start.to_owned(), end.to_owned())
}

pub(crate) fn add(number: u8) -> AtomicOperation {
    AtomicOperation::Add(Value::new(vec![number]).unwrap())
}

/// Options without pauses.
pub(crate) fn options() -> RunOptions {
    RunOptions { backoff_ms_min: 0, backoff_ms_max: 0, ..RunOptions::default() }
}

pub(crate) fn database_over(store: Arc<dyn KeyValueStore>) -> Database {
    Database::new(store).with_options(options()).unwrap()
}

/// A store that holds these pairs, each written at a revision of its own.
pub(crate) async fn store_of(pairs: &[(&str, &str)]) -> (Arc<MemoryStore>, Database) {
    let store = Arc::new(MemoryStore::new());
    for (name, content) in pairs {
        set(&store, name, content).await;
    }
    let database = database_over(store.clone());
    (store, database)
}

pub(crate) async fn set(store: &MemoryStore, name: &str, content: &str) -> Revision {
    store.set(key(name), value(content)).await.unwrap().revision
}

pub(crate) async fn stored(store: &MemoryStore, name: &str) -> Option<String> {
    let found = store.get(key(name)).await.unwrap();
    found.map(|entry| text(&entry.value))
}

pub(crate) fn text(value: &Value) -> String {
    String::from_utf8(value.as_bytes().to_vec()).unwrap()
}

pub(crate) fn names(page: &RangePage) -> Vec<String> {
    page.entries.iter().map(|(key, _)| key.to_string()).collect()
}

/// The key that a commit conflicts on; nothing when it succeeds.
pub(crate) async fn conflict(transaction: &Transaction) -> Option<String> {
    match transaction.commit().await {
        Ok(_) => None,
        Err(TransactionError::Conflict(conflict)) => Some(conflict.key.to_string()),
        Err(error) => panic!("{error}"),
    }
}

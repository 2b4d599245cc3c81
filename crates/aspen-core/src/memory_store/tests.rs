#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::{ErrorKind, Key, KeyRange, Operation, ScanOrder, Value};

fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

async fn set(store: &MemoryStore, name: &str, value: &str) -> Revision {
    store.set(key(name), Value::try_from(value).unwrap()).await.unwrap().revision
}

async fn keys(store: &MemoryStore, request: ScanRequest) -> (Vec<String>, ScanPage) {
    let page = store.scan(request).await.unwrap();
    (page.entries.iter().map(|entry| entry.key.to_string()).collect(), page)
}

#[tokio::test]
async fn counters_follow_etcd() {
    let store = MemoryStore::new();
    set(&store, "a", "1").await;
    set(&store, "a", "2").await;
    let entry = store.get(key("a")).await.unwrap().unwrap();
    let counters = (entry.version, entry.create_revision.get(), entry.mod_revision.get());
    assert_eq!(counters, (2, 1, 2));
    store.delete(key("a")).await.unwrap();
    assert_eq!(store.get(key("a")).await.unwrap(), None);
    set(&store, "a", "3").await;
    let entry = store.get(key("a")).await.unwrap().unwrap();
    assert_eq!((entry.version, entry.create_revision.get()), (1, 4));
}

#[tokio::test]
async fn pages_of_a_scan_lose_and_repeat_nothing_under_writes() {
    let store = MemoryStore::new();
    for name in ["a", "b", "c", "d"] {
        set(&store, name, "v").await;
    }
    for order in [ScanOrder::Forward, ScanOrder::Reverse] {
        let mut request = ScanRequest { limit: 3, order, ..ScanRequest::new(KeyRange::all()) };
        let (mut names, page) = keys(&store, request.clone()).await;
        set(&store, "ab", "v").await;
        store.delete(key("a")).await.unwrap();
        store.delete(key("d")).await.unwrap();
        request.cursor = page.cursor;
        let (rest, page) = keys(&store, request).await;
        assert_eq!(page.cursor, None);
        names.extend(rest);
        names.sort();
        assert_eq!(names, ["a", "b", "c", "d"]);
        set(&store, "a", "v").await;
        set(&store, "d", "v").await;
        store.delete(key("ab")).await.unwrap();
    }
}

#[tokio::test]
async fn the_past_is_readable_down_to_the_horizon() {
    let store = MemoryStore::new();
    for value in ["1", "2", "3"] {
        set(&store, "a", value).await;
    }
    let at = |raw| ReadRequest {
        keys: vec![key("a")],
        consistency: Consistency::AtRevision(Revision::new(raw)),
    };
    store.compact(Revision::new(2)).unwrap();
    let past = store.read(at(2)).await.unwrap().values.remove(0).unwrap();
    assert_eq!(past.value.as_bytes(), b"2");
    let compacted = store.read(at(1)).await.unwrap_err();
    let (requested, horizon) = (Revision::new(1), Revision::new(2));
    assert_eq!(compacted, ReadError::Compacted { requested, horizon });
    assert!(matches!(store.read(at(4)).await, Err(ReadError::FutureRevision { .. })));
    assert!(store.compact(Revision::new(4)).is_err());
    assert_eq!(store.compact(Revision::new(1)), Ok(horizon));
}

#[tokio::test]
async fn an_optimistic_transaction_conflicts_with_what_it_did_not_see() {
    let store = MemoryStore::new();
    set(&store, "a", "1").await;
    let read_at = set(&store, "b", "1").await;
    let command = |reads, range_reads| WriteCommand::OptimisticTransaction {
        reads,
        range_reads,
        operations: vec![Operation::Delete { key: key("b") }],
    };
    let range = || vec![(KeyRange::prefix("a"), read_at)];
    set(&store, "ab", "phantom").await;
    let phantom = store.write(command(vec![], range())).await.unwrap_err();
    assert_eq!(phantom.kind(), ErrorKind::Conflict);
    let stale = store.write(command(vec![(key("b"), Revision::ZERO)], vec![])).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    let fresh = store.write(command(vec![(key("b"), read_at)], vec![])).await.unwrap();
    assert!(fresh.succeeded);
}

#[tokio::test]
async fn a_read_ends_at_its_byte_limit() {
    let store = MemoryStore::new();
    let large = Value::new(vec![7; crate::VALUE_BYTES_MAX]).unwrap();
    store.set(key("k"), large).await.unwrap();
    let read = |count| ReadRequest { keys: vec![key("k"); count], ..ReadRequest::one(key("k")) };
    assert_eq!(store.read(read(7)).await.unwrap().values.len(), 7);
    let error = store.read(read(8)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("READ_BYTES_MAX"), "{error}");
}

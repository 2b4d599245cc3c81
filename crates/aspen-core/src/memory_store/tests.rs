#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use super::*;
use crate::{ErrorKind, Key, KeyRange, Leases, Operation, ScanOrder, Value};

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

fn attached(name: &str, lease: LeaseId) -> WriteCommand {
    let put = Operation::Put { key: key(name), value: Value::default(), lease: Some(lease) };
    WriteCommand::Batch { operations: vec![put] }
}

/// Lets time pass for every lease.
fn pass(store: &MemoryStore, time: Duration) {
    store.contents.lock().clock.deadlines.values_mut().for_each(|deadline| *deadline -= time);
}

#[tokio::test]
async fn keys_go_with_their_lease_unless_it_is_kept_alive() {
    let store = MemoryStore::new();
    let lease = store.grant(None, 10_000).await.unwrap().lease;
    store.write(attached("a", lease)).await.unwrap();
    store.write(attached("b", lease)).await.unwrap();
    assert_eq!(store.list().await.unwrap(), [lease]);
    pass(&store, Duration::from_secs(9));
    assert_eq!(store.keep_alive(vec![lease]).await.unwrap(), [Some(10_000)]);
    pass(&store, Duration::from_secs(9));
    let status = store.time_to_live(lease, true).await.unwrap().unwrap();
    assert!(status.remaining_ms <= 1_000 && status.keys_attached == 2, "{status:?}");
    assert_eq!(status.keys, [key("a"), key("b")]);
    pass(&store, Duration::from_secs(1));
    let page = store.scan(ScanRequest::new(KeyRange::all())).await.unwrap();
    assert_eq!((page.entries.len(), page.revision), (0, Revision::new(3)));
    assert_eq!(store.keep_alive(vec![lease]).await.unwrap(), [None]);
    let gone = store.write(attached("c", lease)).await.unwrap_err();
    assert!(gone.to_string().contains("no lease"), "{gone}");
}

#[tokio::test]
async fn a_key_with_a_ttl_goes_by_itself_unless_it_is_changed() {
    let store = MemoryStore::new();
    let put =
        |name: &str| Operation::PutTtl { key: key(name), value: Value::default(), ttl_ms: 1_000 };
    let operations = vec![put("kept"), put("gone")];
    store.write(WriteCommand::Batch { operations }).await.unwrap();
    set(&store, "kept", "2").await;
    pass(&store, Duration::from_secs(1));
    let (names, _) = keys(&store, ScanRequest::new(KeyRange::all())).await;
    assert_eq!(names, ["kept"]);
    assert!(store.list().await.unwrap().is_empty(), "private leases are not listed");
    assert_eq!(store.granted_leases(), []);
}

#[tokio::test]
async fn leases_are_refused_by_name() {
    let store = MemoryStore::new();
    let lease = LeaseId::new(7);
    store.grant(Some(lease), 1_000).await.unwrap();
    let twice = store.grant(Some(lease), 1_000).await.unwrap_err();
    assert_eq!(twice.failure, Rejection::LeaseExists { lease }.into());
    let short = store.grant(None, 999).await.unwrap_err();
    assert!(short.to_string().contains("LEASE_TTL_MS_MIN"), "{short}");
    let private = attached("a", LeaseId::private(Revision::new(1), 0));
    assert_eq!(store.write(private).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(store.revoke(lease).await.unwrap().keys, 0);
    let gone = store.revoke(lease).await.unwrap_err();
    assert_eq!(gone.failure, Rejection::NoSuchLease { lease }.into());
}

#[test]
fn an_id_granted_again_is_another_lease() {
    let store = MemoryStore::new();
    let lease = LeaseId::new(7);
    store.grant_lease(lease, 1_000);
    let first = store.granted_leases()[0].0;
    store.revoke_lease(lease);
    store.grant_lease(lease, 1_000);
    let expired = |leases| Reply::LeasesExpired { revision: Revision::ZERO, leases, keys: 0 };
    assert_eq!(store.expire_leases(&[first]), expired(0));
    assert_eq!(store.expire_leases(&[store.granted_leases()[0].0]), expired(1));
}

//! Long reads of one revision.

use std::time::Duration;

use aspen_core::{
    ErrorKind, KeyRange, LeaseId, Leases, MemoryStore, PIN_COUNT_MAX, Pins, Revision, runtime,
};
use aspen_txn::{RangeQuery, SNAPSHOT_LEASE_TTL_MS, TransactionError};
use futures_util::TryStreamExt;

use crate::support::{key, set, store_of};

#[tokio::test]
async fn a_snapshot_stays_as_it_was() {
    let (store, database) = store_of(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]).await;
    let snapshot = database.snapshot().await.unwrap();
    assert_eq!(snapshot.revision(), Revision::new(4));
    set(&store, "a", "2").await;
    set(&store, "bb", "2").await;
    let entry = snapshot.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((entry.value.as_bytes(), entry.mod_revision.get()), (&b"1"[..], 1));
    let query = RangeQuery::new(KeyRange::all()).page(2);
    for (query, expected) in [
        (query.clone(), &["a", "b", "c", "d"][..]),
        (query.clone().reverse().limit(3), &["d", "c", "b"]),
        (query.clone().limit(0), &[]),
    ] {
        let found: Vec<_> = snapshot.stream(query).try_collect().await.unwrap();
        let found: Vec<_> = found.iter().map(|entry| entry.key.to_string()).collect();
        assert_eq!(found, expected);
    }
    let page = snapshot.get_range(query).await.unwrap();
    assert_eq!((page.entries.len(), page.next.is_some()), (2, true));
    let later = database.snapshot_at(Revision::new(5));
    let found = later.get_many(&[key("a"), key("bb")]).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().version, 2);
    assert_eq!(found[1], None);
}

#[tokio::test]
async fn a_snapshot_ends_with_the_history_it_reads() {
    let (store, database) = store_of(&[("a", "1"), ("b", "1")]).await;
    let snapshot = database.snapshot().await.unwrap();
    let mut stream = snapshot.stream(RangeQuery::new(KeyRange::all()).page(1));
    assert!(stream.try_next().await.unwrap().is_some());
    let horizon = set(&store, "a", "2").await;
    store.compact(horizon).unwrap();
    let read_revision = Revision::new(2);
    let gone = TransactionError::Compacted { read_revision, horizon };
    assert_eq!(stream.try_next().await, Err(gone.clone()));
    assert_eq!(snapshot.get(&key("a")).await, Err(gone));
    let fresh = database.snapshot().await.unwrap();
    assert!(fresh.get(&key("a")).await.unwrap().is_some());
}

/// Changes everything and forgets what was before; answers the horizon.
async fn overwrite_and_compact(store: &MemoryStore) -> Revision {
    set(store, "a", "2").await;
    let horizon = set(store, "c", "2").await;
    store.compact(horizon).unwrap();
    horizon
}

#[tokio::test(start_paused = true)]
async fn a_pinned_snapshot_outlives_compaction_for_as_long_as_it_is_held() {
    let (store, database) = store_of(&[("a", "1"), ("b", "1")]).await;
    let snapshot = database.pinned_snapshot(store.clone()).await.unwrap();
    assert_eq!(snapshot.revision(), Revision::new(2));
    let mut stream = snapshot.stream(RangeQuery::new(KeyRange::all()).page(1));
    assert_eq!(stream.try_next().await.unwrap().unwrap().key, key("a"));
    let horizon = overwrite_and_compact(&store).await;
    for _ in 0..20 {
        runtime::sleep(Duration::from_millis(SNAPSHOT_LEASE_TTL_MS / 2)).await;
        let found = snapshot.get(&key("a")).await.unwrap().unwrap();
        assert_eq!(found.value.as_bytes(), b"1");
    }
    assert!(snapshot.is_pinned());
    assert_eq!(snapshot.get(&key("c")).await.unwrap(), None);
    let rest: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(rest.len(), 1);
    let reader = snapshot.clone();
    snapshot.release().await.unwrap();
    let read_revision = Revision::new(2);
    let gone = TransactionError::Compacted { read_revision, horizon };
    assert_eq!(reader.get(&key("a")).await, Err(gone));
    assert_eq!(store.list().await.unwrap(), Vec::<LeaseId>::new());
    reader.release().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pinned_snapshot_that_is_dropped_lets_its_revision_go() {
    let (store, database) = store_of(&[("a", "1")]).await;
    let snapshot = database.pinned_snapshot(store.clone()).await.unwrap();
    let stream = snapshot.stream(KeyRange::all());
    drop(snapshot);
    overwrite_and_compact(&store).await;
    runtime::sleep(Duration::from_millis(3 * SNAPSHOT_LEASE_TTL_MS)).await;
    let found: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(found.len(), 1, "a stream holds the revision too");
    runtime::sleep(Duration::from_millis(1)).await;
    assert_eq!(store.list().await.unwrap(), Vec::<LeaseId>::new());
    assert!(store.pinned_revisions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_revision_learnt_before_is_pinned_while_it_is_readable() {
    let (store, database) = store_of(&[("a", "1"), ("a", "2"), ("a", "3")]).await;
    let snapshot = database.pinned_snapshot_at(store.clone(), Revision::new(2)).await.unwrap();
    let horizon = overwrite_and_compact(&store).await;
    assert_eq!(snapshot.get(&key("a")).await.unwrap().unwrap().value.as_bytes(), b"2");
    let read_revision = Revision::new(1);
    let refused = database.pinned_snapshot_at(store.clone(), read_revision).await;
    runtime::sleep(Duration::from_millis(1)).await;
    let gone = TransactionError::Compacted { read_revision, horizon };
    assert_eq!(refused.err(), Some(gone));
    assert_eq!(store.list().await.unwrap().len(), 1, "a pin that is refused leaves no lease");
    assert!(database.pinned_snapshot_at(store, Revision::new(2)).await.is_ok(), "shared");
}

#[tokio::test(start_paused = true)]
async fn one_pinned_snapshot_too_many_is_refused() {
    let (store, database) = store_of(&[("a", "1")]).await;
    let lease = store.grant(None, SNAPSHOT_LEASE_TTL_MS).await.unwrap().lease;
    for _ in 0..PIN_COUNT_MAX {
        set(&store, "a", "2").await;
        store.pin(lease, None).await.unwrap();
    }
    let refused = database.pinned_snapshot(store.clone()).await.err().unwrap();
    assert!(refused.to_string().contains("PIN_COUNT_MAX"), "{refused}");
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    store.revoke(lease).await.unwrap();
    assert!(database.pinned_snapshot(store).await.unwrap().is_pinned());
}

//! Long reads of one revision.

use aspen_core::{KeyRange, Revision};
use aspen_txn::{RangeQuery, TransactionError};
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

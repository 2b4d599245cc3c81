//! Transactions over a store of several shards: whole in one of them, refused over more.

use std::sync::Arc;

use aspen_core::{
    ErrorKind, Key, KeyRange, KeyValueStore, MemoryStore, Revision, StampPosition, Versionstamp,
};
use aspen_sharding::{ShardCount, ShardedStore};
use aspen_txn::{Database, TransactionError};

use crate::support::{conflict, database_over, key, value};

type Sharded = ShardedStore<MemoryStore>;

fn sharded() -> (Sharded, Database) {
    let shards = ShardCount::new(7).unwrap().shards();
    let stores = shards.map(|_| Arc::new(MemoryStore::new())).collect();
    let store = ShardedStore::new(stores).unwrap();
    (store.clone(), database_over(Arc::new(store)))
}

/// A key of another shard than the partition `p`.
fn elsewhere(store: &Sharded) -> Key {
    let home = store.router().shard_for_key(b"p");
    let keys = (0..).map(|number| key(&format!("key-{number}")));
    let away = |key: &Key| store.router().shard_for_key(key.as_bytes()) != home;
    keys.into_iter().find(away).unwrap()
}

fn assert_refused<T>(result: Result<T, TransactionError>) {
    let error = result.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("one shard"), "{error}");
}

#[tokio::test]
async fn a_partition_has_whole_transactions() {
    let (store, database) = sharded();
    // The other shards are at other revisions.
    store.set(elsewhere(&store), value("v")).await.unwrap();
    store.set(key("p\x00a"), value("1")).await.unwrap();
    let (first, second) = (database.begin(), database.begin());
    for transaction in [&first, &second] {
        let page = transaction.get_range(KeyRange::prefix("p\0")).await.unwrap();
        assert_eq!(page.entries.len(), 1);
        assert!(transaction.get(&key("p")).await.unwrap().is_none());
    }
    first.set(key("p\x00b"), value("2")).unwrap();
    second.set(key("p\x00c"), value("3")).unwrap();
    assert_eq!(conflict(&first).await, None);
    assert_eq!(conflict(&second).await, Some("p\\x00b".to_owned()));
}

#[tokio::test]
async fn a_transaction_reads_one_shard() {
    let (store, database) = sharded();
    let away = elsewhere(&store);
    let transaction = database.begin();
    assert_refused(transaction.get_range(KeyRange::all()).await);
    assert_refused(transaction.read_revision().await);
    transaction.get(&key("p")).await.unwrap();
    assert_eq!(transaction.read_revision().await.unwrap(), Revision::ZERO);
    assert_refused(transaction.get(&away).await);
    assert_refused(transaction.snapshot().get(&away).await);
    assert_refused(transaction.add_read_conflict_key(&away).await);
    assert_refused(transaction.get_many(&[key("p"), away.clone()]).await);
    assert_refused(database.snapshot_at(Revision::ZERO).get_many(&[key("p"), away]).await);
    assert_refused(database.snapshot().await);
}

#[tokio::test]
async fn a_transaction_writes_one_shard() {
    let (store, database) = sharded();
    let away = elsewhere(&store);
    let transaction = database.begin();
    transaction.set(key("p"), value("1")).unwrap();
    transaction.set(away.clone(), value("2")).unwrap();
    let error = transaction.commit().await.unwrap_err();
    assert!(error.to_string().contains("WRITE_SHARDS_MAX"), "{error}");
    assert!(!error.is_retryable() && !error.may_have_committed());
    assert!(store.get(key("p")).await.unwrap().is_none());
    assert!(store.get(away).await.unwrap().is_none());
}

/// What is stamped can be read only once it is known at which revision, and so in which shard, the
/// transaction reads.
#[tokio::test]
async fn stamped_keys_are_told_apart_by_the_revision_of_their_shard() {
    let (_, database) = sharded();
    let stamped = || {
        let transaction = database.begin();
        let bytes = [&b"p\0"[..], &Versionstamp::PLACEHOLDER].concat();
        let position = StampPosition::Key(2);
        let key = Key::new(bytes).unwrap();
        transaction.set_versionstamped(key, value("v"), position).unwrap();
        transaction
    };
    let transaction = stamped();
    assert!(transaction.get(&key("p\x00other")).await.unwrap().is_none());
    transaction.commit().await.unwrap();
    let transaction = stamped();
    let page = transaction.get_range(KeyRange::prefix("p\0")).await.unwrap();
    assert_eq!(page.entries.len(), 1, "the one that is committed");
    let error = transaction.get_range(page.next.unwrap()).await.unwrap_err();
    assert!(matches!(error, TransactionError::Unreadable { .. }), "{error}");
}

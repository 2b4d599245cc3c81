//! What a transaction may not exceed, and what it says then.

use std::time::Duration;

use aspen_core::{
    AtomicOperation, ErrorKind, KeyRange, KeyValueStore, LEASE_TTL_MS_MAX, LeaseId,
    TRANSACTION_OPERATIONS_MAX, VALUE_BYTES_MAX, Value, runtime,
};
use aspen_txn::{RunOptions, TransactionError};

use crate::support::{conflict, key, set, store_of, value};

#[tokio::test]
async fn too_many_operations_are_refused_where_they_are_written() {
    let (store, database) = store_of(&[]).await;
    let tx = database.begin();
    for number in 0..TRANSACTION_OPERATIONS_MAX {
        tx.set(key(&number.to_string()), Value::default()).unwrap();
    }
    let error = tx.set(key("more"), Value::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("TRANSACTION_OPERATIONS_MAX"), "{error}");
    let error = tx.commit().await.unwrap_err();
    assert!(error.to_string().contains("TRANSACTION_OPERATIONS_MAX"), "{error}");
    assert_eq!(store.revision().get(), 0);
}

#[tokio::test]
async fn too_many_bytes_are_refused_where_they_are_written() {
    let (_, database) = store_of(&[]).await;
    let tx = database.begin();
    let large = Value::new(vec![0; VALUE_BYTES_MAX]).unwrap();
    let error = (0..9).find_map(|number| tx.set(key(&number.to_string()), large.clone()).err());
    let error = error.unwrap().to_string();
    assert!(error.contains("TRANSACTION_BYTES_MAX"), "{error}");
}

/// Reads and writes count together when both are sent.
#[tokio::test]
async fn reads_count_at_the_commit() {
    let (_, database) = store_of(&[]).await;
    let tx = database.begin();
    let keys: Vec<_> =
        (0..TRANSACTION_OPERATIONS_MAX).map(|number| key(&number.to_string())).collect();
    tx.get_many(&keys).await.unwrap();
    tx.set(key("a"), value("v")).unwrap();
    let error = tx.commit().await.unwrap_err();
    assert!(error.to_string().contains("TRANSACTION_OPERATIONS_MAX"), "{error}");
    // A range that holds them counts as one.
    let tx = database.begin();
    tx.get_range(KeyRange::all()).await.unwrap();
    tx.get_many(&keys).await.unwrap();
    tx.set(key("a"), value("v")).unwrap();
    assert_eq!(conflict(&tx).await, None);
}

#[tokio::test]
async fn a_transaction_grows_old() {
    let (store, database) = store_of(&[("a", "1")]).await;
    let options = RunOptions { age_ms_max: 0, ..database.options().clone() };
    let database = database.with_options(options).unwrap();
    let tx = database.begin();
    tx.get(&key("a")).await.unwrap();
    tx.set(key("b"), value("2")).unwrap();
    let began = aspen_core::runtime::now();
    while aspen_core::runtime::now() == began {}
    let too_old = TransactionError::TooOld { age_ms_max: 0 };
    assert_eq!(tx.get(&key("a")).await, Err(too_old.clone()));
    assert!(too_old.is_retryable());
    assert_eq!(tx.commit().await, Err(too_old));
    // One that reads nothing has no age.
    let tx = database.begin();
    tx.set(key("b"), value("2")).unwrap();
    assert_eq!(conflict(&tx).await, None);
    assert_eq!(store.revision().get(), 2);
}

#[tokio::test]
async fn a_compacted_revision_is_an_error_of_its_own() {
    let (store, database) = store_of(&[("a", "1")]).await;
    let (reader, checker) = (database.begin(), database.begin());
    reader.get(&key("a")).await.unwrap();
    checker.get_range(KeyRange::prefix("b")).await.unwrap();
    checker.set(key("c"), value("v")).unwrap();
    let horizon = set(&store, "x", "1").await;
    store.compact(horizon).unwrap();
    let error = reader.get(&key("a")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "revision 1, at which the transaction reads, is compacted; the oldest readable revision \
         is 2"
    );
    assert!(error.is_retryable());
    assert_eq!(checker.commit().await, Err(error));
}

#[tokio::test]
async fn leases_stay_with_what_they_were_given() {
    let (store, database) = store_of(&[]).await;
    store.grant_lease(LeaseId::new(7), 60_000);
    let tx = database.begin();
    tx.set_leased(key("a"), value("v"), LeaseId::new(7)).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.get(key("a")).await.unwrap().unwrap().lease, Some(LeaseId::new(7)));
}

#[tokio::test(start_paused = true)]
async fn a_key_with_a_ttl_goes_by_itself_unless_it_is_set_again() {
    let (store, database) = store_of(&[]).await;
    let tx = database.begin();
    let refused = tx.set_with_ttl(key("a"), value("v"), LEASE_TTL_MS_MAX + 1).unwrap_err();
    assert!(refused.to_string().contains("LEASE_TTL_MS_MAX"), "{refused}");
    for name in ["a", "kept"] {
        tx.set_with_ttl(key(name), value("\u{1}"), 10_000).unwrap();
    }
    // It changes the value, and the key lives no longer for it.
    tx.atomic(key("a"), AtomicOperation::Add(value("\u{1}"))).unwrap();
    assert_eq!(tx.get(&key("a")).await.unwrap(), Some(value("\u{2}")));
    tx.commit().await.unwrap();
    assert!(store.get(key("a")).await.unwrap().unwrap().lease.unwrap().is_private());

    let tx = database.begin();
    tx.set(key("kept"), value("v")).unwrap();
    tx.commit().await.unwrap();
    runtime::sleep(Duration::from_secs(11)).await;
    assert_eq!(store.get(key("a")).await.unwrap(), None);
    assert_eq!(store.get(key("kept")).await.unwrap().unwrap().lease, None);
}

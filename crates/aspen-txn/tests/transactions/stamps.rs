//! Versionstamps: queues in the order of commits.

use aspen_core::{Key, KeyRange, KeyValueStore, StampPosition, Value, Versionstamp};
use aspen_txn::{RangeQuery, TransactionError};

use crate::support::{conflict, key, range, store_of, value};

fn template(prefix: &str) -> Vec<u8> {
    [prefix.as_bytes(), &Versionstamp::PLACEHOLDER].concat()
}

fn at(prefix: &str, stamp: Versionstamp) -> Vec<u8> {
    [prefix.as_bytes(), stamp.as_bytes()].concat()
}

#[tokio::test]
async fn the_stamp_is_the_revision_of_the_commit() {
    let (store, database) = store_of(&[("a", "1")]).await;
    let push = || {
        database.run_committed(|tx| async move {
            let job = Key::new(template("q/"))?;
            tx.set_versionstamped(job, value("job"), StampPosition::Key(2))?;
            let newest = Value::new(template("at "))?;
            tx.set_versionstamped(key("newest"), newest, StampPosition::Value(3))?;
            Ok::<_, TransactionError>(())
        })
    };
    let first = push().await.unwrap().versionstamp().unwrap();
    let second = push().await.unwrap().versionstamp().unwrap();
    assert!(first < second);
    let tx = database.begin();
    let page = tx.get_range(KeyRange::prefix("q/")).await.unwrap();
    let keys: Vec<_> = page.entries.iter().map(|(key, _)| key.as_bytes().to_vec()).collect();
    assert_eq!(keys, [at("q/", first), at("q/", second)]);
    let newest = store.get(key("newest")).await.unwrap().unwrap();
    assert_eq!(newest.value.as_bytes(), at("at ", second));
    assert_eq!(newest.mod_revision, second.revision());
}

#[tokio::test]
async fn nobody_reads_a_stamp_before_the_commit() {
    let (_, database) = store_of(&[("a", "1"), ("z", "1")]).await;
    let tx = database.begin();
    let newest = Value::new(template("")).unwrap();
    tx.set_versionstamped(key("newest"), newest, StampPosition::Value(0)).unwrap();
    let error = tx.get(&key("newest")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "key newest can be read only after the commit: this transaction stamps it"
    );
    assert!(!error.is_retryable());
    // Up to it and after it everything can be read, in both directions.
    let all = RangeQuery::new(KeyRange::all());
    let page = tx.get_range(all.clone()).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    let beyond = tx.get_range(page.next.unwrap()).await;
    assert!(matches!(beyond, Err(TransactionError::Unreadable { .. })), "{beyond:?}");
    let page = tx.get_range(all.reverse()).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    assert!(tx.get_range(page.next.unwrap()).await.is_err());
    tx.set(key("newest"), value("known")).unwrap();
    assert_eq!(tx.get_range(KeyRange::all()).await.unwrap().entries.len(), 3);
}

#[tokio::test]
async fn a_queue_can_be_read_up_to_the_own_push() {
    let (store, database) = store_of(&[("q/", "before")]).await;
    let push = |tx: &aspen_txn::Transaction| {
        let job = Key::new(template("q/")).unwrap();
        tx.set_versionstamped(job, value("job"), StampPosition::Key(2))
    };
    let earlier = database.begin();
    push(&earlier).unwrap();
    let stamp = Versionstamp::of(earlier.commit().await.unwrap().unwrap());
    let tx = database.begin();
    push(&tx).unwrap();
    // The first element was pushed by an earlier transaction: it cannot be this one's.
    let first = Key::new(at("q/", stamp)).unwrap();
    assert_eq!(tx.get(&first).await.unwrap(), Some(value("job")));
    let page = tx.get_range(RangeQuery::new(KeyRange::prefix("q/")).limit(2)).await.unwrap();
    assert_eq!((page.entries.len(), page.next), (2, None));
    let next = Versionstamp::of(stamp.revision().next());
    let unreadable = tx.get(&Key::new(at("q/", next)).unwrap()).await.unwrap_err();
    assert!(unreadable.to_string().contains("only after the commit"), "{unreadable}");
    tx.delete(first).unwrap();
    assert_eq!(conflict(&tx).await, None);
    assert_eq!(store.get(Key::new(at("q/", next)).unwrap()).await.unwrap().unwrap().version, 1);
}

#[tokio::test]
async fn a_stamp_without_a_placeholder_is_refused() {
    let (_, database) = store_of(&[]).await;
    let tx = database.begin();
    let error = tx.set_versionstamped(key("k"), value("v"), StampPosition::Key(0)).unwrap_err();
    assert!(error.to_string().contains("placeholder"), "{error}");
    tx.set_versionstamped(Key::new(template("q/")).unwrap(), value("v"), StampPosition::Key(2))
        .unwrap();
    let error = tx.delete_range(range("q/\0\0", "q/\0\0\0\0\u{1}")).unwrap_err();
    assert!(error.to_string().contains("versionstamped"), "{error}");
    tx.delete_range(KeyRange::prefix("q/")).unwrap();
    assert_eq!(tx.get_range(KeyRange::all()).await.unwrap().entries, []);
}

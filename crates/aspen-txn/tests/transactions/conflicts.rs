//! Interleavings that must conflict, and those that must not.

use aspen_core::{AtomicOperation, ErrorKind, KeyRange, KeyValueStore, Revision};
use aspen_txn::{RangeQuery, TransactionError};

use crate::support::{add, conflict, key, range, set, store_of, stored, value};

#[tokio::test]
async fn what_was_read_must_be_unchanged() {
    let (store, database) = store_of(&[("a", "1"), ("b", "1")]).await;
    let (tx, undisturbed) = (database.begin(), database.begin());
    for tx in [&tx, &undisturbed] {
        tx.get(&key("a")).await.unwrap();
        tx.set(key("c"), value("1")).unwrap();
    }
    set(&store, "b", "2").await;
    assert_eq!(conflict(&undisturbed).await, None);
    set(&store, "a", "2").await;
    assert_eq!(conflict(&tx).await.as_deref(), Some("a"));
}

/// The counter-example to checks of the version: it is 1 before and after.
#[tokio::test]
async fn a_key_deleted_and_created_again_has_changed() {
    let (store, database) = store_of(&[("a", "1")]).await;
    let tx = database.begin();
    assert_eq!(tx.get(&key("a")).await.unwrap(), Some(value("1")));
    tx.set(key("b"), value("seen")).unwrap();
    store.delete(key("a")).await.unwrap();
    set(&store, "a", "1").await;
    assert_eq!(store.get(key("a")).await.unwrap().unwrap().version, 1);
    let error = tx.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.to_string(), "conflict: key a was read at its revision 1 and is now at 3");
    assert_eq!(stored(&store, "b").await, None);
}

#[tokio::test]
async fn absence_is_checked_too() {
    let (store, database) = store_of(&[("a", "1")]).await;
    let (created, deleted) = (database.begin(), database.begin());
    created.get(&key("new")).await.unwrap();
    created.set(key("b"), value("v")).unwrap();
    deleted.get_many(&[key("a"), key("z")]).await.unwrap();
    deleted.set(key("b"), value("v")).unwrap();
    set(&store, "new", "1").await;
    let error = created.commit().await.unwrap_err().to_string();
    assert_eq!(error, "conflict: key new was read as absent and is now at its revision 2");
    store.delete(key("a")).await.unwrap();
    let error = deleted.commit().await.unwrap_err().to_string();
    assert_eq!(error, "conflict: key a was read at its revision 1 and is deleted now");
}

#[tokio::test]
async fn a_range_read_sees_phantoms_changes_and_deletions() {
    for (change, changed) in [("insert", "a2"), ("change", "a3"), ("delete", "a1")] {
        let (store, database) = store_of(&[("a1", "1"), ("a3", "1"), ("b", "1")]).await;
        let tx = database.begin();
        assert_eq!(tx.get_range(KeyRange::prefix("a")).await.unwrap().entries.len(), 2);
        tx.set(key("sum"), value("2")).unwrap();
        match change {
            "delete" => drop(store.delete(key(changed)).await.unwrap()),
            _ => drop(set(&store, changed, "2").await),
        }
        assert_eq!(
            tx.commit().await.unwrap_err().to_string(),
            format!(
                "conflict: range [a, b) was read at revision 3 and its key {changed} changed at \
                 revision 4"
            )
        );
    }
}

#[tokio::test]
async fn a_limited_range_read_conflicts_with_what_it_returned_only() {
    let pairs = [("a", "1"), ("c", "1"), ("e", "1"), ("g", "1")];
    for (query, before, within, beyond) in [
        (RangeQuery::new(range("a", "z")).limit(2), "A", "b", "d"),
        (RangeQuery::new(range("a", "z")).limit(2).reverse(), "z", "f", "d"),
        (RangeQuery::new(range("a", "z")).page(2), "A", "c", "cc"),
    ] {
        for (touched, expected) in [(before, None), (within, Some(within)), (beyond, None)] {
            let (store, database) = store_of(&pairs).await;
            let tx = database.begin();
            assert_eq!(tx.get_range(query.clone()).await.unwrap().entries.len(), 2);
            tx.set(key("out"), value("v")).unwrap();
            set(&store, touched, "2").await;
            assert_eq!(conflict(&tx).await.as_deref(), expected, "{query:?} {touched}");
        }
    }
}

/// Both read what the other writes: in no serial order would both do what they did.
#[tokio::test]
async fn write_skew_is_a_conflict() {
    let (_, database) = store_of(&[("alice", "on call"), ("bob", "on call")]).await;
    let leave = async |name: &str| {
        let tx = database.begin();
        let both = tx.get_many(&[key("alice"), key("bob")]).await.unwrap();
        assert!(both.iter().all(|doctor| *doctor == Some(value("on call"))));
        tx.set(key(name), value("off")).unwrap();
        tx
    };
    let (first, second) = (leave("alice").await, leave("bob").await);
    assert_eq!(conflict(&first).await, None);
    assert_eq!(conflict(&second).await.as_deref(), Some("alice"));
}

#[tokio::test]
async fn disjoint_and_blind_transactions_do_not_conflict() {
    let (store, database) = store_of(&[("a", "1"), ("b", "1"), ("n", "\u{1}")]).await;
    let (left, right, blind, other_blind) =
        (database.begin(), database.begin(), database.begin(), database.begin());
    for (tx, name) in [(&left, "a"), (&right, "b")] {
        tx.get(&key(name)).await.unwrap();
        tx.set(key(name), value("2")).unwrap();
    }
    for tx in [&blind, &other_blind] {
        tx.set(key("c"), value("3")).unwrap();
        tx.atomic(key("n"), add(1)).unwrap();
        tx.delete_range(range("x", "z")).unwrap();
    }
    for tx in [&left, &blind, &right, &other_blind] {
        assert_eq!(conflict(tx).await, None);
    }
    assert_eq!(stored(&store, "n").await.as_deref(), Some("\u{3}"), "no addition was lost");
}

#[tokio::test]
async fn own_writes_are_no_reads() {
    let (store, database) = store_of(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]).await;
    let tx = database.begin();
    tx.set(key("a"), value("mine")).unwrap();
    tx.delete(key("b")).unwrap();
    tx.delete_range(range("c", "d")).unwrap();
    assert_eq!(tx.get_many(&[key("a"), key("b"), key("c")]).await.unwrap()[1..], [None, None]);
    assert_eq!(tx.get_range(range("a", "d")).await.unwrap().entries.len(), 1);
    for name in ["a", "b", "c", "cc"] {
        set(&store, name, "theirs").await;
    }
    assert_eq!(conflict(&tx).await, None);
    // What lies between own keys was read from the store.
    let tx = database.begin();
    tx.set(key("a"), value("mine")).unwrap();
    tx.get_range(range("a", "b")).await.unwrap();
    set(&store, "a", "theirs").await;
    set(&store, "aa", "theirs").await;
    assert_eq!(conflict(&tx).await.as_deref(), Some("aa"));
}

#[tokio::test]
async fn an_atomic_operation_conflicts_once_it_is_read() {
    let (store, database) = store_of(&[("n", "\u{1}")]).await;
    let (blind, reader) = (database.begin(), database.begin());
    for tx in [&blind, &reader] {
        tx.get(&key("other")).await.unwrap();
        tx.atomic(key("n"), add(1)).unwrap();
    }
    assert_eq!(reader.get(&key("n")).await.unwrap(), Some(value("\u{2}")));
    set(&store, "n", "\u{5}").await;
    assert_eq!(conflict(&blind).await, None);
    assert_eq!(conflict(&reader).await.as_deref(), Some("n"));
    assert_eq!(stored(&store, "n").await.as_deref(), Some("\u{6}"));
    // So does a range that holds it.
    let reader = database.begin();
    reader.atomic(key("n"), AtomicOperation::Max(value("\u{9}"))).unwrap();
    reader.get_range(range("m", "o")).await.unwrap();
    set(&store, "n", "\u{7}").await;
    assert_eq!(conflict(&reader).await.as_deref(), Some("n"));
}

#[tokio::test]
async fn snapshot_reads_add_no_conflict_and_see_the_same() {
    let (store, database) = store_of(&[("a", "1"), ("b", "1")]).await;
    let tx = database.begin();
    let unchecked = tx.snapshot();
    assert_eq!(unchecked.get(&key("a")).await.unwrap(), Some(value("1")));
    set(&store, "a", "2").await;
    set(&store, "bb", "2").await;
    tx.set(key("c"), value("mine")).unwrap();
    let page = unchecked.get_range(KeyRange::all()).await.unwrap();
    let expected = [("a", "1"), ("b", "1"), ("c", "mine")];
    assert_eq!(page.entries, expected.map(|(name, content)| (key(name), value(content))));
    assert_eq!(unchecked.get_many(&[key("b")]).await.unwrap(), [Some(value("1"))]);
    assert_eq!(conflict(&tx).await, None);
}

#[tokio::test]
async fn conflict_keys_and_ranges_can_be_added() {
    let (store, database) = store_of(&[("a", "1")]).await;
    let (keyed, ranged) = (database.begin(), database.begin());
    keyed.add_read_conflict_key(&key("k")).await.unwrap();
    ranged.add_read_conflict_range(KeyRange::prefix("r")).await.unwrap();
    for tx in [&keyed, &ranged] {
        tx.set(key("out"), value("v")).unwrap();
    }
    set(&store, "kk", "v").await;
    assert_eq!(conflict(&keyed).await, None);
    set(&store, "rr", "v").await;
    assert_eq!(conflict(&ranged).await.as_deref(), Some("rr"));
}

#[tokio::test]
async fn a_transaction_reads_at_one_revision() {
    let (store, database) = store_of(&[("a", "1"), ("b", "1")]).await;
    let tx = database.begin();
    tx.get(&key("a")).await.unwrap();
    set(&store, "b", "2").await;
    set(&store, "c", "2").await;
    assert_eq!(tx.get(&key("b")).await.unwrap(), Some(value("1")));
    assert_eq!(tx.get_range(KeyRange::all()).await.unwrap().entries.len(), 2);
    assert_eq!(tx.read_revision().await.unwrap(), Revision::new(2));
    // It wrote nothing: all of it was so at revision 2.
    assert_eq!(tx.commit().await, Ok(None));
    assert_eq!(tx.commit().await, Err(TransactionError::Finished));
    assert_eq!(tx.get(&key("a")).await, Err(TransactionError::Finished));
    assert_eq!(tx.set(key("a"), value("v")), Err(TransactionError::Finished));
}

//! Ranges with own writes laid over them.

use aspen_core::KeyRange;
use aspen_txn::{RangeQuery, TransactionError};
use futures_util::TryStreamExt;

use crate::support::{add, key, names, range, set, store_of, value};

#[tokio::test]
async fn pages_lose_and_repeat_nothing() {
    let (store, database) = store_of(&[("a", "1"), ("c", "1"), ("e", "1"), ("g", "1")]).await;
    let tx = database.begin();
    tx.set(key("b"), value("2")).unwrap();
    tx.delete(key("c")).unwrap();
    tx.delete_range(range("g", "z")).unwrap();
    tx.set(key("h"), value("2")).unwrap();
    let query = RangeQuery::new(KeyRange::all()).page(1);
    for (query, expected) in
        [(query.clone(), ["a", "b", "e", "h"]), (query.reverse(), ["h", "e", "b", "a"])]
    {
        let (mut found, mut next) = (Vec::new(), Some(query));
        while let Some(query) = next {
            let page = tx.get_range(query).await.unwrap();
            assert!(page.entries.len() <= 1);
            found.extend(names(&page));
            next = page.next;
            set(&store, "bb", "theirs").await;
        }
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn limits_hold_over_all_pages() {
    let (_, database) = store_of(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]).await;
    let tx = database.begin();
    for (limit, expected) in [(0, &[][..]), (3, &["d", "c", "b"]), (9, &["d", "c", "b", "a"])] {
        let query = RangeQuery::new(KeyRange::all()).reverse().limit(limit).page(2);
        let found: Vec<_> = tx.stream(query).try_collect().await.unwrap();
        let found: Vec<_> = found.iter().map(|(key, _)| key.to_string()).collect();
        assert_eq!(found, expected);
    }
    let nothing = tx.get_range(range("z", "a")).await.unwrap();
    assert_eq!((nothing.entries, nothing.next), (vec![], None));
    for page in [0, 10_001] {
        let error = tx.get_range(RangeQuery::new(KeyRange::all()).page(page)).await;
        assert!(matches!(error, Err(TransactionError::Invalid(_))), "{error:?}");
    }
}

#[tokio::test]
async fn atomic_operations_show_in_ranges() {
    let (_, database) = store_of(&[("a", "\u{1}"), ("c", "\u{1}")]).await;
    let tx = database.begin();
    for name in ["a", "b", "c"] {
        tx.atomic(key(name), add(1)).unwrap();
        tx.atomic(key(name), add(2)).unwrap();
    }
    let page = tx.get_range(KeyRange::all()).await.unwrap();
    let expected = [("a", "\u{4}"), ("b", "\u{3}"), ("c", "\u{4}")];
    assert_eq!(page.entries, expected.map(|(name, content)| (key(name), value(content))));
}

/// A write behind the reader does not show; one before it does.
#[tokio::test]
async fn a_stream_sees_what_is_written_while_it_is_read() {
    let (_, database) = store_of(&[("a", "1"), ("c", "1"), ("e", "1")]).await;
    let tx = database.begin();
    let mut stream = tx.stream(RangeQuery::new(KeyRange::all()).page(1));
    assert_eq!(stream.try_next().await.unwrap().unwrap().0, key("a"));
    tx.set(key("a1"), value("2")).unwrap();
    tx.delete(key("c")).unwrap();
    tx.set(key("A"), value("2")).unwrap();
    let rest: Vec<_> = stream.try_collect().await.unwrap();
    let rest: Vec<_> = rest.iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(rest, ["a1", "e"]);
}

#[tokio::test]
async fn a_cleared_range_is_not_read_at_all() {
    let (_, database) = store_of(&[("a", "1")]).await;
    let tx = database.begin();
    tx.delete_range(KeyRange::all()).unwrap();
    tx.set(key("b"), value("2")).unwrap();
    assert_eq!(names(&tx.get_range(KeyRange::all()).await.unwrap()), ["b"]);
    assert_eq!(tx.get(&key("a")).await.unwrap(), None);
    // So it has no read revision yet, and conflicts with nothing.
    let later = database.begin();
    later.set(key("a"), value("3")).unwrap();
    let revision = later.commit().await.unwrap().unwrap();
    assert_eq!(tx.read_revision().await.unwrap(), revision);
}

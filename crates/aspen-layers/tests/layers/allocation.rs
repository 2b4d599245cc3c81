//! Prefixes that the layer allocates: none twice, none the beginning of another.

use std::collections::BTreeSet;
use std::sync::Arc;

use aspen_core::{KeyValueStore, Value};
use aspen_layers::directory::{DirectoryError, DirectoryLayer};
use aspen_txn::Database;
use bytes::Bytes;
use futures_util::future::join_all;

use crate::support::{Yielding, commits, create, key, store, stored};

/// Sorted, a prefix that begins others comes right before one of them.
fn assert_apart(prefixes: &[Bytes]) {
    let sorted: BTreeSet<_> = prefixes.iter().cloned().collect();
    assert_eq!(sorted.len(), prefixes.len(), "a prefix was given twice");
    let sorted = Vec::from_iter(sorted);
    for pair in sorted.windows(2) {
        assert!(!pair[1].starts_with(&pair[0]), "{pair:?}");
    }
}

#[tokio::test]
async fn transactions_that_run_at_once_get_different_prefixes() {
    let (_, database) = store();
    // Every process has a layer of its own.
    let layers = [DirectoryLayer::new(), DirectoryLayer::new(), DirectoryLayer::new()];
    let mut waiting: Vec<String> = (0..150).map(|number| format!("d{number}")).collect();
    let (mut prefixes, mut attempts) = (Vec::new(), 0);
    while !waiting.is_empty() {
        let round = waiting.split_off(waiting.len().saturating_sub(9));
        let mut open = Vec::new();
        for (number, name) in round.into_iter().enumerate() {
            let tx = database.begin();
            let directory = layers[number % 3].create(&tx, [&name], b"").await.unwrap();
            open.push((tx, name, directory));
        }
        for (tx, name, directory) in open {
            attempts += 1;
            match commits(&tx).await {
                true => prefixes.push(directory.subspace().prefix().clone()),
                false => waiting.push(name),
            }
        }
    }
    assert_eq!(prefixes.len(), 150);
    assert!(attempts > 150, "none conflicted: they did not run at once");
    assert_apart(&prefixes);
}

/// They allocate different prefixes, and create the directory above them once.
#[tokio::test]
async fn one_transaction_can_create_many_at_once() {
    let database = Database::new(Arc::new(Yielding::default()));
    let layer = DirectoryLayer::new();
    let tx = database.begin();
    let names: Vec<String> = (0..40).map(|number| format!("d{number}")).collect();
    let created = join_all(names.iter().map(|name| layer.create(&tx, ["p", name], b""))).await;
    assert!(commits(&tx).await);
    let mut prefixes: Vec<_> =
        created.into_iter().map(|it| it.unwrap().subspace().prefix().clone()).collect();
    let tx = database.begin();
    prefixes.push(layer.open(&tx, ["p"], b"").await.unwrap().subspace().prefix().clone());
    assert_apart(&prefixes);
    assert_eq!(layer.list(&tx, ["p"]).await.unwrap().len(), 40);
}

/// The futures can be spawned.
#[tokio::test]
async fn operations_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let (_, database) = store();
    let (layer, tx) = (DirectoryLayer::new(), database.begin());
    is_send(&layer.create(&tx, ["a"], b""));
    is_send(&layer.move_to(&tx, ["a"], ["b"]));
    is_send(&layer.remove(&tx, ["a"]));
    is_send(&layer.list(&tx, ["a"]));
}

/// Windows begin one after another, what is known of older ones is forgotten, and no prefix holds a
/// zero byte, which would put a whole directory into one partition of the key space.
#[tokio::test]
async fn prefixes_stay_short_and_spread() {
    let (store, database) = store();
    let layer = DirectoryLayer::new();
    let mut prefixes = Vec::new();
    for number in 0..250 {
        let directory = create(&database, &layer, &[&format!("d{number}")]).await.unwrap();
        assert_eq!(directory.subspace().partition(), None);
        prefixes.push(directory.subspace().prefix().clone());
    }
    assert_apart(&prefixes);
    assert!(prefixes[..124].iter().all(|prefix| prefix.len() <= 2), "255 numbers fit one byte");
    assert!(prefixes.iter().all(|prefix| prefix.len() <= 3));
    let keys = stored(&store).await;
    let count =
        |begin: &[u8]| keys.iter().filter(|(key, _)| key.as_bytes().starts_with(begin)).count();
    assert_eq!(count(b"\xfe\x01\xfe\x00\x01hca\x00\x14"), 1, "one window is open");
    // 31 of each of the first windows, of 64 numbers.
    assert_eq!(count(b"\xfe\x01\xfe\x00\x01hca\x00\x15\x01"), 250 - 4 * 31);
}

/// A number is taken, and forgotten with its window, while a transaction that saw it free still
/// runs. What the key is at the commit is what it was before; only the changes tell.
#[tokio::test]
async fn a_number_that_was_taken_and_forgotten_meanwhile_is_not_given_again() {
    let (store, database) = store();
    let layer = DirectoryLayer::new();
    create(&database, &layer, &["first"]).await.unwrap();
    let late = database.begin();
    let directory = layer.create(&late, ["late"], b"").await.unwrap();
    let prefix = &directory.subspace().prefix()[..];
    let taken = key(&[&b"\xfe\x01\xfe\x00\x01hca\x00\x15\x01"[..], prefix].concat());
    store.set(taken.clone(), Value::default()).await.unwrap();
    store.delete(taken).await.unwrap();
    assert!(!commits(&late).await);
}

#[tokio::test]
async fn keys_of_nobody_in_the_way_are_told() {
    let (store, database) = store();
    for number in 0..64_u8 {
        let prefix = if number == 0 { vec![0x14] } else { vec![0x15, number] };
        store.set(key(&[&prefix[..], b"x"].concat()), Value::default()).await.unwrap();
    }
    let error = create(&database, &DirectoryLayer::new(), &["a"]).await.unwrap_err();
    assert!(matches!(error, DirectoryError::KeysInTheWay { .. }), "{error}");
}

#[tokio::test]
async fn prefixes_by_hand_must_be_free() {
    let (_, database) = store();
    let strict = DirectoryLayer::new();
    let layer = strict.clone().allow_prefixes_by_hand();
    let tx = database.begin();
    let refused = strict.create_with_prefix(&tx, ["x"], b"", "x").await;
    assert_eq!(refused, Err(DirectoryError::PrefixByHand));
    layer.create_with_prefix(&tx, ["a"], b"", "users").await.unwrap();
    layer.create_with_prefix(&tx, ["b"], b"", &b"\xff\xff"[..]).await.unwrap();
    for prefix in
        [&b""[..], b"users", b"us", b"users/1", b"\xff", b"\xff\xff\xff", b"\xfe", b"\xfe\x01"]
    {
        let error = layer.create_with_prefix(&tx, ["c"], b"", prefix).await.unwrap_err();
        assert_eq!(error, DirectoryError::PrefixInUse { prefix: prefix.to_vec() });
    }
    layer.create_with_prefix(&tx, ["c"], b"", "usess").await.unwrap();
    layer.create_with_prefix(&tx, ["d"], b"", "user").await.unwrap_err();
}

/// Neither transaction sees the other's directory; only one may commit.
#[tokio::test]
async fn overlapping_prefixes_chosen_at_once_conflict() {
    for (one, other) in [("ab", "ab"), ("ab", "abc"), ("abc", "ab")] {
        let (_, database) = store();
        let layer = DirectoryLayer::new().allow_prefixes_by_hand();
        create(&database, &layer, &["first"]).await.unwrap();
        let (first, second) = (database.begin(), database.begin());
        layer.create_with_prefix(&first, ["a"], b"", one).await.unwrap();
        layer.create_with_prefix(&second, ["b"], b"", other).await.unwrap();
        assert!(commits(&first).await);
        assert!(!commits(&second).await, "{one} and {other}");
    }
}

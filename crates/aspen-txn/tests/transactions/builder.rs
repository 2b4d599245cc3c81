//! Transactions put together by hand.

use aspen_core::{
    Compare, ErrorKind, Key, KeyRange, KeyValueStore, LeaseId, Operation, OperationResult,
    ReadConflict, Revision, StampPosition, TRANSACTION_OPERATIONS_MAX, Versionstamp,
};
use aspen_txn::TransactionBuilder;

use crate::support::{add, key, set, store_of, stored, value};

#[tokio::test]
async fn expected_revisions_and_ranges_are_checked() {
    let (store, _) = store_of(&[("a", "1"), ("b", "1")]).await;
    let build = || {
        TransactionBuilder::new()
            .read(key("a"), Revision::new(1))
            .read_many([(key("b"), Revision::new(2)), (key("c"), Revision::ZERO)])
            .read_range(KeyRange::prefix("r"), Revision::new(2))
            .set(key("c"), value("done"))
            .delete(key("a"))
    };
    let outcome = build().execute(&*store).await.unwrap();
    assert_eq!((outcome.succeeded, outcome.revision), (true, Revision::new(3)));
    let error = build().execute(&*store).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.to_string(), "conflict on a: expected 1, found 0");
    set(&store, "r2", "phantom").await;
    let ranged = TransactionBuilder::new().read_range(KeyRange::prefix("r"), Revision::new(3));
    let error = ranged.delete_range(KeyRange::all()).execute(&*store).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(stored(&store, "c").await.as_deref(), Some("done"));
}

#[tokio::test]
async fn compares_choose_what_is_done() {
    let (store, _) = store_of(&[]).await;
    let acquire = |owner| {
        TransactionBuilder::new()
            .when([Compare::absent(key("lock"))])
            .then([Operation::put(key("lock"), value(owner))])
            .otherwise([Operation::Get { key: key("lock") }])
    };
    assert!(acquire("me").execute(&*store).await.unwrap().succeeded);
    let outcome = acquire("you").execute(&*store).await.unwrap();
    assert!(!outcome.succeeded);
    let [OperationResult::Get(Some(entry))] = &outcome.results[..] else { panic!("{outcome:?}") };
    assert_eq!(entry.value, value("me"));
}

#[test]
fn a_build_is_the_replicated_form() {
    let template = Key::new([&b"q/"[..], &Versionstamp::PLACEHOLDER].concat()).unwrap();
    let (lease, position) = (LeaseId::new(3), StampPosition::Key(2));
    let transaction = TransactionBuilder::new()
        .read(key("a"), Revision::new(1))
        .set_leased(key("b"), value("v"), lease)
        .set_with_ttl(key("t"), value("v"), 5_000)
        .atomic(key("n"), add(1))
        .set_versionstamped(template.clone(), value("v"), position)
        .delete_range(KeyRange::prefix("x"))
        .build()
        .unwrap();
    let expected = Revision::new(1);
    assert_eq!(transaction.read_conflicts, [ReadConflict::Key { key: key("a"), expected }]);
    assert_eq!(
        transaction.success,
        [
            Operation::Put { key: key("b"), value: value("v"), lease: Some(lease) },
            Operation::PutTtl { key: key("t"), value: value("v"), ttl_ms: 5_000 },
            Operation::Atomic { key: key("n"), operation: add(1) },
            Operation::PutVersionstamped {
                key: template,
                value: value("v"),
                position,
                lease: None
            },
            Operation::DeleteRange { range: KeyRange::prefix("x") },
        ]
    );
}

#[tokio::test]
async fn limits_are_named() {
    let (store, _) = store_of(&[]).await;
    let reads = (0..=TRANSACTION_OPERATIONS_MAX).map(|_| (key("a"), Revision::ZERO));
    let error = TransactionBuilder::new().read_many(reads).build().unwrap_err().to_string();
    assert!(error.contains("TRANSACTION_OPERATIONS_MAX"), "{error}");
    let position = StampPosition::Value(0);
    let stamped = TransactionBuilder::new().set_versionstamped(key("a"), value("v"), position);
    let error = stamped.execute(&*store).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(store.get(key("a")).await.unwrap(), None);
}

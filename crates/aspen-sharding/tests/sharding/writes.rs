//! Writes: in one shard, or refused.

use aspen_core::{
    Applied, Compare, ErrorKind, Key, KeyRange, KeyValueStore, Operation, ReadConflict, Rejection,
    Revision, ScanRequest, StampPosition, Transaction, Versionstamp, WriteCommand, WriteFailure,
};

use crate::support::{Sharded, apart, batch, key, sharded, value};

async fn assert_refused(store: &Sharded, command: WriteCommand, shards: u16) {
    let before = store.scan_shards(ScanRequest::new(KeyRange::all())).await.unwrap();
    let error = store.write(command).await.unwrap_err();
    assert_eq!(error.failure, WriteFailure::TooManyShards { shards, limit: 1 });
    assert_eq!((error.kind(), error.applied), (ErrorKind::Invalid, Applied::No));
    assert!(error.to_string().contains("WRITE_SHARDS_MAX"), "{error}");
    let after = store.scan_shards(ScanRequest::new(KeyRange::all())).await.unwrap();
    assert_eq!(after, before, "nothing was written anywhere");
}

#[tokio::test]
async fn every_part_of_a_write_counts_as_a_shard_it_touches() {
    let store = sharded(7);
    let (a, b) = apart(&store);
    let put = |key: &Key| Operation::put(key.clone(), value("v"));
    let base = Transaction { success: vec![put(&a)], ..Transaction::default() };
    let read = ReadConflict::Key { key: b.clone(), expected: Revision::ZERO };
    let range = ReadConflict::Range { range: KeyRange::all(), read_revision: Revision::ZERO };
    for (transaction, shards) in [
        (Transaction { failure: vec![put(&b)], ..base.clone() }, 2),
        (Transaction { compares: vec![Compare::absent(b.clone())], ..base.clone() }, 2),
        (Transaction { read_conflicts: vec![read], ..base.clone() }, 2),
        (Transaction { read_conflicts: vec![range], ..base.clone() }, 7),
        (Transaction { success: vec![put(&a), put(&b)], ..base.clone() }, 2),
    ] {
        assert_refused(&store, WriteCommand::Transaction(transaction), shards).await;
    }
    assert_refused(&store, WriteCommand::DeleteRange { range: KeyRange::all() }, 7).await;
    let pairs = vec![(a.clone(), value("1")), (b.clone(), value("2"))];
    assert_refused(&store, WriteCommand::SetMulti { pairs }, 2).await;
    assert!(store.write(WriteCommand::Transaction(base)).await.unwrap().succeeded);
}

#[tokio::test]
async fn a_partition_has_whole_transactions() {
    let store = sharded(64);
    let (range, limit) = (KeyRange::prefix("p\0"), 9);
    let steps = vec![
        Operation::put(key("p\x00a"), value("1")),
        Operation::put(key("p"), value("2")),
        Operation::Scan { range: range.clone(), limit },
        Operation::DeleteRange { range },
    ];
    let outcome = store.write(batch(steps)).await.unwrap();
    assert_eq!((outcome.revision, outcome.results.len()), (Revision::new(1), 4));
    let conflict = WriteCommand::OptimisticTransaction {
        reads: vec![(key("p\x00a"), Revision::new(7))],
        range_reads: Vec::new(),
        operations: vec![Operation::Delete { key: key("p") }],
    };
    let error = store.write(conflict).await.unwrap_err();
    let WriteFailure::Rejected(Rejection::Conflict(conflict)) = &error.failure else {
        panic!("{error}")
    };
    let shard = store.router().shard_for_key(conflict.key.as_bytes());
    assert_eq!(shard, store.router().shard_for_key(b"p"));
}

#[tokio::test]
async fn a_write_of_nothing_succeeds() {
    let outcome = sharded(7).write(batch(Vec::new())).await.unwrap();
    assert!(outcome.succeeded);
}

/// The stamp stands in a shard's key before it is known which it is.
#[tokio::test]
async fn a_stamped_key_is_found_where_it_was_written() {
    let store = sharded(64);
    for name in ["q/", "q\0"] {
        let mut bytes = name.as_bytes().to_vec();
        bytes.extend(Versionstamp::PLACEHOLDER);
        let stamped = Operation::PutVersionstamped {
            key: Key::new(bytes).unwrap(),
            value: value("v"),
            position: StampPosition::Key(2),
            lease: None,
        };
        let outcome = store.write(batch(vec![stamped])).await.unwrap();
        let stamp = Versionstamp::of(outcome.revision);
        let stored = Key::new([name.as_bytes(), stamp.as_bytes()].concat()).unwrap();
        assert!(store.get(stored).await.unwrap().is_some(), "{name:?}");
    }
}

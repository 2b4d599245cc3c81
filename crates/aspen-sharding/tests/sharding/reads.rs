//! Reads: limits, revisions, cursors.

use aspen_core::{
    Consistency, ErrorKind, KeyRange, KeyValueStore, Leases, MemoryStore, Operation, Projection,
    READ_BYTES_MAX, ReadError, ReadRequest, Revision, SCAN_RESULTS_MAX, ScanOrder, ScanRequest,
    ShardId, VALUE_BYTES_MAX, Value,
};
use aspen_sharding::ShardRevisions;

use crate::support::{apart, batch, key, sharded, value};

fn read(keys: &[&aspen_core::Key], consistency: Consistency) -> ReadRequest {
    ReadRequest { keys: keys.iter().map(|key| (*key).clone()).collect(), consistency }
}

#[tokio::test]
async fn one_shard_behaves_as_its_store() {
    let (model, store) = (MemoryStore::new(), sharded(1));
    for name in ["a", "b", "c"] {
        let put = Operation::put(key(name), value("v"));
        let both = batch(vec![put, Operation::Scan { range: KeyRange::all(), limit: 9 }]);
        let expected = model.write(both.clone()).await.unwrap();
        assert_eq!(store.write(both).await.unwrap(), expected);
    }
    let request = ScanRequest { limit: 2, ..ScanRequest::new(KeyRange::all()) };
    let page = model.scan(request.clone()).await.unwrap();
    assert_eq!(store.scan(request.clone()).await.unwrap(), page);
    let rest = ScanRequest { cursor: page.cursor, ..request };
    assert_eq!(store.scan(rest.clone()).await.unwrap(), model.scan(rest).await.unwrap());
    let past = read(&[&key("a"), &key("c")], Consistency::AtRevision(Revision::new(2)));
    assert_eq!(store.read(past.clone()).await.unwrap(), model.read(past).await.unwrap());
    assert_eq!(store.sole_shard(&KeyRange::all()), Some(ShardId::new(0)));
    assert!(store.shard(ShardId::new(0)).unwrap().grant(None, 5_000).await.is_ok());
}

#[tokio::test]
async fn what_lies_in_one_shard_keeps_its_revisions() {
    let store = sharded(7);
    let put = |name: &str| Operation::put(key(name), value("v"));
    let first = store.write(batch(vec![put("p\x00a"), put("p\x00b")])).await.unwrap();
    store.write(batch(vec![put("p\x00c")])).await.unwrap();
    let range = KeyRange::prefix("p\0");
    assert!(store.sole_shard(&range).is_some() && store.sole_shard(&KeyRange::all()).is_none());
    let consistency = Consistency::AtRevision(first.revision);
    let page = store.scan(ScanRequest { consistency, ..ScanRequest::new(range) }).await.unwrap();
    assert_eq!((page.entries.len(), page.revision, page.cursor), (2, first.revision, None));
    let (a, b) = (key("p\x00a"), key("p\x00c"));
    let reply = store.read(read(&[&a, &b], consistency)).await.unwrap();
    assert_eq!((reply.revision, reply.values[1].as_ref()), (first.revision, None));
}

#[tokio::test]
async fn one_revision_for_several_shards_is_refused() {
    let store = sharded(7);
    let (a, b) = apart(&store);
    let revision = store.set(a.clone(), value("v")).await.unwrap().revision;
    let at = Consistency::AtRevision(revision);
    let refused = store.read(read(&[&a, &b], at)).await.unwrap_err();
    assert_eq!(refused, ReadError::TooManyShards { shards: 2 });
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let scan = ScanRequest { consistency: at, ..ScanRequest::new(KeyRange::all()) };
    let refused = store.scan(scan).await.unwrap_err();
    assert_eq!(refused, ReadError::TooManyShards { shards: 7 });
    let reply = store.read(read(&[&a, &b], Consistency::Linearizable)).await.unwrap();
    assert_eq!(reply.revision, Revision::OF_SEVERAL_SHARDS);
    let taken_back = read(&[&a], Consistency::AtRevision(reply.revision));
    let refused = store.read(taken_back).await.unwrap_err();
    assert!(matches!(refused, ReadError::FutureRevision { .. }), "{refused}");
}

#[tokio::test]
async fn revisions_of_each_shard_read_the_state_they_were_learnt_from() {
    let store = sharded(7);
    let (a, b) = apart(&store);
    for name in [&a, &b] {
        store.set(name.clone(), value("1")).await.unwrap();
    }
    let fresh = read(&[&b, &a], Consistency::Linearizable);
    let first = store.read_shards(fresh.clone()).await.unwrap();
    assert_eq!(first.revisions.iter().len(), 2);
    store.set(a.clone(), value("2")).await.unwrap();
    store.delete(b.clone()).await.unwrap();
    assert_ne!(store.read_shards(fresh).await.unwrap(), first);
    let keys = vec![b, a.clone()];
    let again = store.read_at(keys, &first.revisions).await.unwrap();
    assert_eq!(again, first);
    let all = ScanRequest::new(KeyRange::all());
    let missing = store.scan_at(all, &first.revisions).await.unwrap_err();
    assert!(missing.to_string().contains("none of shard"), "{missing}");
    let kept = ShardRevisions::decode(&first.revisions.encode().unwrap()).unwrap();
    assert_eq!(store.read_at(vec![a], &kept).await.unwrap().values.len(), 1);
}

#[tokio::test]
async fn a_read_of_no_key_tells_where_every_shard_is() {
    let store = sharded(7);
    let key = key("a");
    store.set(key.clone(), Value::default()).await.unwrap();
    let nothing = read(&[], Consistency::Linearizable);
    let found = store.read_shards(nothing.clone()).await.unwrap();
    assert_eq!((found.revisions.iter().len(), found.values.len()), (7, 0));
    let home = store.router().shard_for_key(key.as_bytes());
    assert_eq!(found.revisions.get(home), Some(Revision::new(1)));
    assert!(store.read(nothing).await.unwrap().values.is_empty());
}

#[tokio::test]
async fn the_byte_limit_counts_over_all_shards() {
    let store = sharded(7);
    let large = Value::new(vec![7; VALUE_BYTES_MAX]).unwrap();
    let names: Vec<_> = (0..9).map(|number| key(&format!("large-{number}"))).collect();
    for name in &names {
        store.set(name.clone(), large.clone()).await.unwrap();
    }
    let few = read(&names[..7].iter().collect::<Vec<_>>(), Consistency::Linearizable);
    assert_eq!(store.read(few).await.unwrap().values.iter().flatten().count(), 7);
    const { assert!(9 * VALUE_BYTES_MAX > READ_BYTES_MAX) };
    let many = read(&names.iter().collect::<Vec<_>>(), Consistency::Linearizable);
    let error = store.read(many).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("READ_BYTES_MAX"));
    // A page ends with the result that reaches its limit, whichever shard that is in.
    let page = store.scan(ScanRequest::new(KeyRange::all())).await.unwrap();
    assert_eq!((page.entries.len(), page.cursor.is_some()), (4, true));
}

#[tokio::test]
async fn a_partition_that_fills_the_range_is_merged_page_by_page() {
    let store = sharded(64);
    let put = |name: String| Operation::put(key(&name), value("v"));
    let full = (0..500).map(|number| put(format!("full\0{number:04}"))).collect();
    store.write(batch(full)).await.unwrap();
    for number in 0..50 {
        store.set(key(&format!("g{number:04}")), value("v")).await.unwrap();
    }
    for order in [ScanOrder::Forward, ScanOrder::Reverse] {
        let mut request = ScanRequest { order, limit: 217, ..ScanRequest::new(KeyRange::all()) };
        let mut found = Vec::new();
        loop {
            let page = store.scan(request.clone()).await.unwrap();
            found.extend(page.entries.into_iter().map(|entry| entry.key));
            request.cursor = page.cursor;
            if request.cursor.is_none() {
                break;
            }
        }
        if order == ScanOrder::Reverse {
            found.reverse();
        }
        assert!(found.len() == 550 && found.is_sorted_by(|a, b| a < b), "{order:?}");
    }
    let projection = Projection::CountOnly;
    let count = ScanRequest { projection, limit: 1, ..ScanRequest::new(KeyRange::all()) };
    assert_eq!(store.scan(count).await.unwrap().count, 550);
}

#[tokio::test]
async fn a_cursor_of_one_shard_is_refused_for_a_range_of_several() {
    let store = sharded(7);
    for name in ["p\x00a", "p\x00b"] {
        store.set(key(name), value("v")).await.unwrap();
    }
    let part = ScanRequest { limit: 1, ..ScanRequest::new(KeyRange::prefix("p\0")) };
    let cursor = store.scan(part).await.unwrap().cursor;
    assert!(cursor.is_some());
    let all = ScanRequest { cursor, ..ScanRequest::new(KeyRange::all()) };
    let refused = store.scan(all.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("cursor"), "{refused}");
    let limit = SCAN_RESULTS_MAX + 1;
    let refused = store.scan(ScanRequest { limit, cursor: None, ..all }).await.unwrap_err();
    assert!(refused.to_string().contains("SCAN_RESULTS_MAX"), "{refused}");
}

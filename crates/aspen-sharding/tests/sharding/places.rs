//! Which stores there are, and which of them has a key.

use aspen_core::{KeyValueStore, MemoryStore, ShardId};
use aspen_sharding::ShardedStore;

use crate::support::{key, sharded, value};

#[test]
fn a_store_needs_a_shard_and_has_at_most_256() {
    assert!(ShardedStore::<MemoryStore>::new(Vec::new()).is_err());
    let store = sharded(256);
    let any = store.shard(ShardId::new(0)).unwrap().clone();
    assert!(ShardedStore::new(vec![any; 257]).is_err());
    assert!(store.shard(ShardId::new(256)).is_none());
}

#[tokio::test]
async fn a_key_is_in_the_store_of_its_shard_alone() {
    let store = sharded(7);
    for number in 0..50 {
        let name = key(&format!("key-{number}"));
        store.set(name.clone(), value("v")).await.unwrap();
        let home = store.router().shard_for_key(name.as_bytes());
        for shard in store.router().count().shards() {
            let found = store.shard(shard).unwrap().get(name.clone()).await.unwrap();
            assert_eq!(found.is_some(), shard == home);
        }
        assert!(store.store_for_key(&name).get(name.clone()).await.unwrap().is_some());
    }
}

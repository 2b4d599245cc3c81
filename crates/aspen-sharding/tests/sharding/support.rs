//! What the tests share.

use std::sync::Arc;

use aspen_core::{Key, KeyValue, MemoryStore, Operation, ScanPage, Value, WriteCommand};
use aspen_sharding::{ShardCount, ShardedStore};

pub(crate) type Sharded = ShardedStore<MemoryStore>;

pub(crate) fn sharded(count: u16) -> Sharded {
    let shards = ShardCount::new(count).unwrap().shards();
    ShardedStore::new(shards.map(|_| Arc::new(MemoryStore::new())).collect()).unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

pub(crate) fn value(text: &str) -> Value {
    Value::try_from(text).unwrap()
}

pub(crate) fn batch(operations: Vec<Operation>) -> WriteCommand {
    WriteCommand::Batch { operations }
}

/// Two keys of different shards.
pub(crate) fn apart(store: &Sharded) -> (Key, Key) {
    let first = key("key-0");
    let shard = |key: &Key| store.router().shard_for_key(key.as_bytes());
    let other = (1..).map(|number| key(&format!("key-{number}")));
    let other = other.into_iter().find(|other| shard(other) != shard(&first)).unwrap();
    (first, other)
}

/// What of an entry does not depend on how many shards there are.
pub(crate) type Shown = (Key, Value, u64);

pub(crate) fn shown(entry: &KeyValue) -> Shown {
    (entry.key.clone(), entry.value.clone(), entry.version)
}

/// What of a page does not.
pub(crate) fn page_shown(page: &ScanPage) -> (Vec<Shown>, u64, Option<Key>) {
    let last = page.cursor.as_ref().map(|cursor| cursor.last_key.clone());
    (page.entries.iter().map(shown).collect(), page.count, last)
}

//! Which shard owns a key, and many shards as one store.
//!
//! * The *partition* of a key is its bytes before the first zero byte; a key without one is its own
//!   partition ([`partition`]). All keys of a partition live in one shard.
//! * `shard = jump_hash(seahash(partition), shard_count)` ([`Router`]). The rule needs no lookup,
//!   is part of the format and never changes; when a shard is added, [`jump_hash`] moves only what
//!   the new shard gets.
//! * The [`Topology`] says which group and which nodes serve a shard. It is versioned by its
//!   [`Epoch`], and nobody may assume that the one they know is the newest.
//! * A [`ShardedStore`] is one [`aspen_core::KeyValueStore`] over a store for each shard. What lies
//!   in one shard means what it means there: transactions, revisions, history, watches, leases.
//!   Reads and watches of several shards are merged, and their place is a revision of each
//!   ([`ShardRevisions`]); a write of several shards is refused.
//!
//! ```
//! use std::sync::Arc;
//! use aspen_core::{Key, KeyRange, KeyValueStore, MemoryStore, ScanRequest, Value};
//! use aspen_sharding::{ShardCount, ShardedStore};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let count = ShardCount::new(4)?;
//! let store = ShardedStore::new(count.shards().map(|_| Arc::new(MemoryStore::new())).collect())?;
//! for name in ["cherry", "apple", "banana"] {
//!     store.set(Key::try_from(name)?, Value::default()).await?;
//! }
//! let page = store.scan(ScanRequest::new(KeyRange::all())).await?;
//! let names: Vec<String> = page.entries.iter().map(|entry| entry.key.to_string()).collect();
//! assert_eq!(names, ["apple", "banana", "cherry"]);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! Architecture invariant: this crate depends on `aspen-core` only and knows no network, no disk
//! and no clock.

mod jump_hash;
mod partition;
mod router;
mod shard_count;
mod shard_revisions;
mod shard_set;
mod sharded_store;
mod sharded_watch;
mod topology;

pub use jump_hash::jump_hash;
pub use partition::partition;
pub use router::Router;
pub use shard_count::{InvalidShardCount, SHARD_COUNT_MAX, SHARD_COUNT_MIN, ShardCount};
pub use shard_revisions::ShardRevisions;
pub use shard_set::ShardSet;
pub use sharded_store::{
    SHARDS_ASKED_MAX, ShardedPage, ShardedRead, ShardedStore, WRITE_SHARDS_MAX,
};
pub use sharded_watch::{ShardedUpdate, ShardedWatchError, ShardedWatchStream};
pub use topology::{
    Epoch, InvalidTopology, SHARD_REPLICAS_MAX, ShardPlacement, ShardState, Topology,
    TopologyDecodeError,
};

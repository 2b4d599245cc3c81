//! From keys to shards.

use aspen_core::{KeyRange, ShardId};

use crate::partition::partition_end;
use crate::{ShardCount, ShardSet, jump_hash, partition};

/// Says which shard owns a key. It knows nothing but their number.
///
/// ```
/// use aspen_sharding::{Router, ShardCount};
///
/// let router = Router::new(ShardCount::new(16)?);
/// let shard = router.shard_for_key(b"orders\0 1");
/// assert_eq!(router.shard_for_key(b"orders\0 2"), shard);
/// assert_eq!(router.shards_for_prefix(b"orders\0").sole(), Some(shard));
/// assert_eq!(router.shards_for_prefix(b"orders").len(), 16, "also the keys of `orders2`");
/// # Ok::<_, aspen_sharding::InvalidShardCount>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Router {
    count: ShardCount,
}

impl Router {
    /// A router over this many shards.
    pub const fn new(count: ShardCount) -> Self {
        Self { count }
    }

    /// How many shards there are.
    pub const fn count(&self) -> ShardCount {
        self.count
    }

    /// The shard that owns a key: `jump_hash(seahash(partition), count)`, as `docs/format.md` fixes
    /// it.
    pub fn shard_for_key(&self, key: &[u8]) -> ShardId {
        jump_hash(seahash::hash(partition(key)), self.count)
    }

    /// Every shard that may own a key of the range: one when all keys of the range have one
    /// partition, otherwise all of them, since between two partitions lie infinitely many others. A
    /// range that can hold no key is its start's.
    pub fn shards_for_range(&self, range: &KeyRange) -> ShardSet {
        let fixed = partition_end(partition(&range.start));
        match &range.end {
            Some(end) if range.is_empty() || *end <= fixed => {
                ShardSet::one(self.shard_for_key(&range.start))
            }
            _ => ShardSet::all(self.count),
        }
    }

    /// Every shard that may own a key with the prefix: one when the prefix has a zero byte, which
    /// ends the partition of all such keys.
    pub fn shards_for_prefix(&self, prefix: &[u8]) -> ShardSet {
        self.shards_for_range(&KeyRange::prefix(prefix.to_vec()))
    }
}

#[cfg(test)]
mod tests;

//! How many shards a store has.

use aspen_core::ShardId;
use serde::{Deserialize, Serialize};

/// The fewest shards.
pub const SHARD_COUNT_MIN: u16 = 1;

/// The most shards. More would spread a store further, and cost every scan of the whole key space
/// one request each, every node a Raft group each.
pub const SHARD_COUNT_MAX: u16 = 256;

const _: () = assert!(SHARD_COUNT_MIN > 0 && SHARD_COUNT_MIN <= SHARD_COUNT_MAX);

/// A number of shards, [`SHARD_COUNT_MIN`] to [`SHARD_COUNT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct ShardCount(u16);

/// A number of shards out of its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{count} shards; a store has {SHARD_COUNT_MIN} to {SHARD_COUNT_MAX} \
     (SHARD_COUNT_MIN, SHARD_COUNT_MAX)"
)]
pub struct InvalidShardCount {
    /// The number that was given.
    pub count: usize,
}

impl ShardCount {
    /// One shard, which holds everything.
    pub const ONE: Self = Self(1);

    /// Checks the limits.
    ///
    /// # Errors
    /// Names them.
    pub fn new(count: u16) -> Result<Self, InvalidShardCount> {
        match count {
            SHARD_COUNT_MIN..=SHARD_COUNT_MAX => Ok(Self(count)),
            _ => Err(InvalidShardCount { count: usize::from(count) }),
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Every shard, in order.
    pub fn shards(self) -> impl ExactSizeIterator<Item = ShardId> + Clone {
        (0..self.0).map(ShardId::new)
    }
}

impl TryFrom<u16> for ShardCount {
    type Error = InvalidShardCount;
    fn try_from(count: u16) -> Result<Self, InvalidShardCount> {
        Self::new(count)
    }
}

impl TryFrom<usize> for ShardCount {
    type Error = InvalidShardCount;
    fn try_from(count: usize) -> Result<Self, InvalidShardCount> {
        u16::try_from(count).map_err(|_| InvalidShardCount { count }).and_then(Self::new)
    }
}

impl From<ShardCount> for u16 {
    fn from(count: ShardCount) -> Self {
        count.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_limits_are_named_at_their_edges() {
        for count in [0, 257, u16::MAX] {
            let error = ShardCount::new(count).unwrap_err().to_string();
            assert!(error.contains("SHARD_COUNT_MAX"), "{error}");
        }
        assert!(ShardCount::try_from(65_537_usize).is_err());
        for count in [1, 256] {
            let shards = ShardCount::new(count).unwrap().shards();
            assert_eq!(shards.last(), Some(ShardId::new(count - 1)));
        }
    }
}

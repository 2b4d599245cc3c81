//! Which shards something touches.

use std::collections::BTreeSet;

use aspen_core::ShardId;

use crate::ShardCount;

/// Some of the shards of a store, in order, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardSet(BTreeSet<ShardId>);

impl ShardSet {
    /// Exactly one.
    pub fn one(shard: ShardId) -> Self {
        Self(BTreeSet::from([shard]))
    }

    /// All of them.
    pub fn all(count: ShardCount) -> Self {
        Self(count.shards().collect())
    }

    /// The shard, when there is exactly one.
    pub fn sole(&self) -> Option<ShardId> {
        self.0.first().copied().filter(|_| self.0.len() == 1)
    }

    /// How many.
    pub fn len(&self) -> u16 {
        u16::try_from(self.0.len()).unwrap_or(u16::MAX)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the shard is one of them.
    pub fn contains(&self, shard: ShardId) -> bool {
        self.0.contains(&shard)
    }

    /// The shards in order.
    pub fn iter(&self) -> impl Iterator<Item = ShardId> {
        self.0.iter().copied()
    }

    /// Adds those of another set.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl FromIterator<ShardId> for ShardSet {
    fn from_iter<I: IntoIterator<Item = ShardId>>(shards: I) -> Self {
        Self(shards.into_iter().collect())
    }
}

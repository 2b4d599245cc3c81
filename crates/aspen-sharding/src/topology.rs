//! Which group and which nodes serve each shard.

mod encoding;

use std::collections::BTreeSet;

use aspen_core::{GroupId, NodeId, ShardId};
use serde::{Deserialize, Serialize};

use crate::{Router, SHARD_COUNT_MAX, ShardCount};

pub use encoding::TopologyDecodeError;

/// How many replicas a shard may have. More bear more losses, and make every write wait for more
/// nodes; two more than the largest replication factor let a replica move and another be replaced.
pub const SHARD_REPLICAS_MAX: usize = 7;

/// Which version of the topology: a later one is above. Whoever acts on a topology names its epoch,
/// so that one who knows a later one can refuse. The first is 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(u64);

impl Epoch {
    /// The first.
    pub const FIRST: Self = Self(1);

    /// Wraps the raw number.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The raw number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What a shard is there for. The order is that of the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardState {
    /// It owns the keys that the router gives it.
    Active,
    /// Its group is being made and takes keys over; nobody is sent there yet.
    Preparing,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPlacement {
    /// The shard.
    pub shard: ShardId,
    /// The group that replicates it.
    pub group: GroupId,
    /// The nodes that are to hold a replica, ascending, 1 to [`SHARD_REPLICAS_MAX`].
    #[serde(deserialize_with = "encoding::replicas")]
    pub replicas: Vec<NodeId>,
    /// What it is there for.
    pub state: ShardState,
}

/// The map of the cluster, as the meta group keeps it. Always valid: shards `0..n` in order, the
/// active ones first and at least one, each with a group and nodes of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    epoch: Epoch,
    shards: Vec<ShardPlacement>,
    active: ShardCount,
}

/// A topology that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("topology: {detail}")]
pub struct InvalidTopology {
    detail: String,
}

impl InvalidTopology {
    fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into() }
    }
}

impl Topology {
    /// The topology of a new cluster: every shard is active and on all of these nodes.
    ///
    /// # Errors
    /// When there is no node, one twice, or more than [`SHARD_REPLICAS_MAX`].
    pub fn founding(count: ShardCount, nodes: &BTreeSet<NodeId>) -> Result<Self, InvalidTopology> {
        let shards = count.shards().map(|shard| ShardPlacement {
            shard,
            group: GroupId::shard(shard),
            replicas: nodes.iter().copied().collect(),
            state: ShardState::Active,
        });
        Self::new(Epoch::FIRST, shards.collect())
    }

    /// Checks the rules.
    ///
    /// # Errors
    /// Names the rule, and the shard that breaks it.
    pub fn new(epoch: Epoch, shards: Vec<ShardPlacement>) -> Result<Self, InvalidTopology> {
        if epoch < Epoch::FIRST {
            return Err(InvalidTopology::new("epochs begin at 1"));
        }
        if shards.len() > usize::from(SHARD_COUNT_MAX) {
            let detail = format!("{} shards; at most {SHARD_COUNT_MAX}", shards.len());
            return Err(InvalidTopology::new(detail));
        }
        let mut groups = BTreeSet::new();
        for (place, placement) in shards.iter().enumerate() {
            placement.validate(place)?;
            if !groups.insert(placement.group) {
                return Err(placement.breaks("shares its group with another"));
            }
        }
        let is_active = |placement: &ShardPlacement| placement.state == ShardState::Active;
        let active = shards.iter().take_while(|placement| is_active(placement)).count();
        if let Some(late) = shards.iter().skip(active).find(|placement| is_active(placement)) {
            return Err(late.breaks("is active after one that is not"));
        }
        let active = ShardCount::try_from(active);
        let active = active.map_err(|_| InvalidTopology::new("no shard is active"))?;
        Ok(Self { epoch, shards, active })
    }

    /// Which version it is.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Every shard in order, active or not.
    pub fn shards(&self) -> &[ShardPlacement] {
        &self.shards
    }

    /// Where a shard is.
    pub fn placement(&self, shard: ShardId) -> Option<&ShardPlacement> {
        self.shards.get(usize::from(shard.get()))
    }

    /// Says which of the active shards owns a key.
    pub fn router(&self) -> Router {
        Router::new(self.active)
    }

    /// The shards of which a node is to hold a replica.
    pub fn shards_of(&self, node: NodeId) -> impl Iterator<Item = &ShardPlacement> {
        self.shards.iter().filter(move |placement| placement.replicas.contains(&node))
    }
}

impl ShardPlacement {
    fn breaks(&self, rule: &str) -> InvalidTopology {
        InvalidTopology::new(format!("shard {} {rule}", self.shard))
    }

    fn validate(&self, place: usize) -> Result<(), InvalidTopology> {
        if usize::from(self.shard.get()) != place {
            return Err(self.breaks(&format!("is in the place of shard {place}")));
        }
        if self.group == GroupId::META {
            return Err(self.breaks("names the meta group"));
        }
        if self.replicas.is_empty() || self.replicas.len() > SHARD_REPLICAS_MAX {
            let count = self.replicas.len();
            let rule = format!("has {count} replicas, not 1 to {SHARD_REPLICAS_MAX}");
            return Err(self.breaks(&format!("{rule} (SHARD_REPLICAS_MAX)")));
        }
        match self.replicas.is_sorted_by(|a, b| a < b) && self.replicas[0] != NodeId::new(0) {
            true => Ok(()),
            false => Err(self.breaks("names node 0, a node twice, or nodes out of order")),
        }
    }
}

#[cfg(test)]
mod tests;

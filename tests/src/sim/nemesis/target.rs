//! Whom a fault strikes.

use aspen_core::{GroupId, NodeId};
use aspen_node::compose::GROUPS;
use serde::{Deserialize, Serialize};

use crate::sim::cluster::SimCluster;

/// A group, by its part in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Which {
    Meta,
    Data,
}

impl Which {
    pub(crate) fn group(self) -> GroupId {
        match self {
            Self::Meta => GROUPS[0],
            Self::Data => GROUPS[1],
        }
    }
}

/// A node, by its part when the fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Target {
    /// The leader of a group; nobody when there is none.
    Leader(Which),
    /// One that does not lead it, counted round.
    Other(Which, u64),
    /// Any one, counted round.
    Nth(u64),
}

impl Target {
    /// The node, if there is one.
    pub(crate) fn find(self, cluster: &SimCluster) -> Option<NodeId> {
        let nodes: Vec<NodeId> = cluster.living().iter().map(|machine| machine.node).collect();
        match self {
            Self::Leader(which) => cluster.leader(which.group()),
            Self::Other(which, number) => {
                let leader = cluster.leader(which.group());
                let others: Vec<NodeId> =
                    nodes.into_iter().filter(|node| Some(*node) != leader).collect();
                nth(&others, number)
            }
            Self::Nth(number) => nth(&nodes, number),
        }
    }
}

fn nth(nodes: &[NodeId], number: u64) -> Option<NodeId> {
    let index = number.checked_rem(nodes.len() as u64)?;
    nodes.get(index as usize).copied()
}

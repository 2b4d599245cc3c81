//! Who stands at the ends of a link.

use aspen_core::{EndpointKey, NodeId, NodeRecord};
use serde::{Deserialize, Serialize};

/// A node or a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Party {
    /// A node.
    Node(NodeId),
    /// A client.
    Client(u64),
}

/// Where the numbers of clients begin among those of parties.
const CLIENTS_FROM: u64 = 1_000;

impl Party {
    /// A number that no other party has.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Node(node) => node.get(),
            Self::Client(client) => CLIENTS_FROM + client,
        }
    }

    /// The key that it is known by.
    pub(crate) fn endpoint(self) -> EndpointKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.number().to_le_bytes());
        EndpointKey::new(bytes)
    }
}

/// A node as others reach it.
pub(crate) fn record_of(node: NodeId) -> NodeRecord {
    let addresses = vec![format!("10.0.{}.{}:1", node.get() / 256, node.get() % 256)];
    NodeRecord { id: node, endpoint: Party::Node(node).endpoint(), addresses }
}

//! Who belongs to the cluster.

use std::collections::BTreeMap;

use aspen_core::{ClusterId, EndpointKey, NodeId, NodeRecord};
use parking_lot::RwLock;

/// The cluster and its members, as the node last said.
#[derive(Debug, Default)]
pub(crate) struct Members(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    cluster: Option<ClusterId>,
    nodes: BTreeMap<EndpointKey, NodeId>,
}

impl Members {
    /// The cluster, once known.
    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        self.0.read().cluster
    }

    /// Sets the cluster.
    pub(crate) fn set_cluster(&self, cluster: ClusterId) {
        self.0.write().cluster = Some(cluster);
    }

    /// Replaces the members.
    pub(crate) fn set_nodes(&self, nodes: &[NodeRecord]) {
        self.0.write().nodes = nodes.iter().map(|node| (node.endpoint, node.id)).collect();
    }

    /// The id of the member with this key.
    pub(crate) fn node_of(&self, endpoint: EndpointKey) -> Option<NodeId> {
        self.0.read().nodes.get(&endpoint).copied()
    }

    /// Whether a member has this key, in a cluster that is known.
    pub(crate) fn admits(&self, endpoint: EndpointKey) -> bool {
        let inner = self.0.read();
        inner.cluster.is_some() && inner.nodes.contains_key(&endpoint)
    }
}

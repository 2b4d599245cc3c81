//! A running node.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use aspen_client::Client;
use aspen_core::runtime::Elapsed;
use aspen_core::{
    ClusterId, ClusterStatus, ControlError, GroupId, KeyValueStore, NodeId, NodeRecord, Rights,
};

use crate::compose::{ComposedNode, DiskProbe};
use crate::start::Started;
use crate::{Config, StartError};

/// A node that serves. End it with [`Node::shutdown`]: dropping it leaves its network endpoint and
/// files open until the process ends, as a crash would find them.
pub struct Node {
    composed: ComposedNode,
    started: Started,
}

impl Node {
    /// Starts a node as configured; when it has a cluster to join, waits until that has let it in.
    ///
    /// # Errors
    /// See [`StartError`]; what was opened is closed again.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, None).await
    }

    pub(crate) async fn start_with(
        config: Config,
        probe: Option<Arc<dyn DiskProbe>>,
    ) -> Result<Self, StartError> {
        let mut started = Started::prepare(config).await?;
        match started.bring_up(probe).await {
            Ok(composed) => {
                let (node, cluster) = (composed.id(), composed.cluster());
                tracing::info!(%node, %cluster, "node is up");
                Ok(Self { composed, started })
            }
            Err(error) => {
                started.stop().await;
                Err(error)
            }
        }
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        self.composed.id()
    }

    /// Its cluster.
    pub fn cluster(&self) -> ClusterId {
        self.composed.cluster()
    }

    /// How others reach it.
    pub fn record(&self) -> NodeRecord {
        self.composed.record()
    }

    /// The cluster's store, used in process: what this node leads is served without the network,
    /// and the rest through the node's own connections.
    pub fn store(&self) -> Arc<dyn KeyValueStore> {
        self.composed.store()
    }

    /// The same as a client, which can also change the cluster.
    pub fn client(&self) -> Client {
        self.composed.client()
    }

    /// A ticket that names every node now known, with a grant of `rights` that does not expire.
    ///
    /// # Errors
    /// None while the node runs; the network refuses to issue a grant before it has a cluster.
    pub fn ticket(&self, rights: Rights) -> Result<String, ControlError> {
        let ticket = self.composed.ticket(rights);
        ticket.map(|t| t.to_string()).map_err(|e| ControlError::Unavailable(e.to_string()))
    }

    /// The cluster at a glance.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn status(&self) -> Result<ClusterStatus, ControlError> {
        self.composed.client().status().await
    }

    /// Waits until this node is a member of its groups and each of them has a leader.
    ///
    /// # Errors
    /// When that takes longer than `timeout`.
    pub async fn wait_until_serving(&self, timeout: Duration) -> Result<(), Elapsed> {
        self.composed.wait_until_serving(timeout).await
    }

    /// Waits until a part of the node has stopped by itself, because its disk failed or had no
    /// room; answers which group is without its replica here. The rest of the node goes on; to get
    /// the replica back, [shut the node down](Self::shutdown) and start it again, as `aspen-node`
    /// does.
    pub async fn failed(&self) -> GroupId {
        self.started.failed().await
    }

    /// Stops in order: new requests are refused, what is under way may finish within `drain_ms`,
    /// then the files are flushed and closed. Nothing acknowledged depends on it.
    pub async fn shutdown(self) {
        tracing::info!(node = %self.id(), "node is stopping");
        let node = self.id();
        self.composed.client().close().await;
        self.started.stop().await;
        tracing::info!(%node, "node has stopped");
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id())
            .field("cluster", &self.cluster())
            .finish_non_exhaustive()
    }
}

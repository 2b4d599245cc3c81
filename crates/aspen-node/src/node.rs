//! A running node.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use aspen_client::{Client, ClientOptions};
use aspen_core::runtime::{self, Elapsed};
use aspen_core::{
    ClusterId, ClusterStatus, ControlError, KeyValueStore, NodeId, NodeRecord, Rights,
};
use aspen_net::{PeerAddress, Ticket};

use crate::core::Core;
use crate::disk_guard::DiskProbe;
use crate::embedded::LocalChannel;
use crate::service::Service;
use crate::start::Parts;
use crate::{Config, StartError};

/// How often [`Node::wait_until_serving`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A node that serves. End it with [`Node::shutdown`]: dropping it leaves its network endpoint and
/// files open until the process ends, as a crash would find them.
pub struct Node {
    core: Arc<Core>,
    client: Client,
    parts: Parts,
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
        let mut parts = Parts::prepare(config).await?;
        match parts.bring_up(probe).await {
            Ok((core, service)) => {
                let client = client(&core, service);
                tracing::info!(node = %core.node, cluster = %core.cluster, "node is up");
                Ok(Self { core, client, parts })
            }
            Err(error) => {
                parts.stop().await;
                Err(error)
            }
        }
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        self.core.node
    }

    /// Its cluster.
    pub fn cluster(&self) -> ClusterId {
        self.core.cluster
    }

    /// How others reach it.
    pub fn record(&self) -> NodeRecord {
        self.core.record()
    }

    /// The cluster's store, used in process: what this node leads is served without the network,
    /// and the rest through the node's own connections.
    pub fn store(&self) -> Arc<dyn KeyValueStore> {
        Arc::new(self.client.clone())
    }

    /// The same as a client, which can also change the cluster.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// A ticket that names every node now known, with a grant of `rights` that does not expire.
    ///
    /// # Errors
    /// None while the node runs; the network refuses to issue a grant before it has a cluster.
    pub fn ticket(&self, rights: Rights) -> Result<String, ControlError> {
        let ticket = self.core.ticket(rights);
        ticket.map(|t| t.to_string()).map_err(|e| ControlError::Unavailable(e.to_string()))
    }

    /// The cluster at a glance.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn status(&self) -> Result<ClusterStatus, ControlError> {
        self.client.status().await
    }

    /// Waits until this node is a member of its groups and each of them has a leader.
    ///
    /// # Errors
    /// When that takes longer than `timeout`.
    pub async fn wait_until_serving(&self, timeout: Duration) -> Result<(), Elapsed> {
        runtime::timeout(timeout, async {
            while !self.core.serves() {
                runtime::sleep(LOOK_EVERY).await;
            }
        })
        .await
    }

    /// Stops in order: new requests are refused, what is under way may finish within `drain_ms`,
    /// then the files are flushed and closed. Nothing acknowledged depends on it.
    pub async fn shutdown(self) {
        tracing::info!(node = %self.core.node, "node is stopping");
        self.client.close().await;
        self.parts.stop().await;
        tracing::info!(node = %self.core.node, "node has stopped");
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Core { node, cluster, .. } = &*self.core;
        f.debug_struct("Node").field("id", node).field("cluster", cluster).finish_non_exhaustive()
    }
}

fn client(core: &Arc<Core>, service: Arc<Service>) -> Client {
    let own = PeerAddress::from(&core.record());
    let ticket = Ticket { cluster: core.cluster, peers: vec![own], grant: None };
    let channel = Arc::new(LocalChannel::new(core.clone(), service));
    Client::over(channel, ticket, ClientOptions::default())
}

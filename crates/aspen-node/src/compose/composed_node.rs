//! A node of a cluster.

use std::sync::Arc;
use std::time::Duration;

use aspen_client::{Client, ClientOptions};
use aspen_core::runtime::{self, Elapsed};
use aspen_core::{
    ClusterController, ClusterId, ControlError, KeyValueStore, NodeId, NodeRecord, PeerHandler,
    RequestHandler, Rights,
};
use aspen_net::{ClusterUnknown, PeerAddress, Ticket};
use aspen_raft::Group;

use super::running::Running;
use super::{GROUPS, PeerSink};
use crate::core::Core;
use crate::embedded::LocalChannel;
use crate::service::Service;

/// How often [`ComposedNode::wait_until_serving`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A node of a cluster, put together from parts. Cloning gives another handle of the same node.
#[derive(Clone)]
pub struct ComposedNode {
    core: Arc<Core>,
    service: Arc<Service>,
    running: Arc<Running>,
    client: Client,
    disk_check_every: Duration,
}

impl ComposedNode {
    pub(super) fn new(core: Core, running: Arc<Running>, disk_check_every: Duration) -> Self {
        let core = Arc::new(core);
        let service = Arc::new(Service::new(core.clone()));
        let client = client(&core, &service);
        Self { core, service, running, client, disk_check_every }
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

    /// Answers clients and joining nodes.
    pub fn requests(&self) -> Arc<dyn RequestHandler> {
        self.service.clone()
    }

    /// Answers peers.
    pub fn peers(&self) -> Arc<dyn PeerHandler> {
        self.core.host.clone()
    }

    /// Its groups, by id.
    pub fn groups(&self) -> Vec<Arc<Group>> {
        self.core.host.groups()
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
    /// As [`super::Links::issue_grant`].
    pub fn ticket(&self, rights: Rights) -> Result<Ticket, ClusterUnknown> {
        self.core.ticket(rights)
    }

    /// Makes this node the first member of the groups of a new cluster. Doing it again, after a
    /// crash for instance, goes on where it was. Once it is through it must never be done again,
    /// over a restart neither: a group found empty then would be started anew, beside the real one.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn found(&self) -> Result<(), ControlError> {
        for group in GROUPS {
            self.core.host.init(group, vec![self.core.record()]).await?;
        }
        Ok(())
    }

    /// Starts the work that keeps the node a good member of its cluster. Without a `sink` nothing
    /// of what it learns outlives the process.
    pub fn start_tasks(&self, sink: Option<Arc<dyn PeerSink>>) {
        self.running.tasks.start_disk_guard(&self.core, self.disk_check_every);
        self.running.tasks.start_membership(&self.core, sink);
    }

    /// Whether every group here has a leader and has this node as a member.
    pub fn serves(&self) -> bool {
        self.core.serves()
    }

    /// Waits until this node is a member of its groups and each of them has a leader.
    ///
    /// # Errors
    /// When that takes longer than `timeout`.
    pub async fn wait_until_serving(&self, timeout: Duration) -> Result<(), Elapsed> {
        runtime::timeout(timeout, async {
            while !self.serves() {
                runtime::sleep(LOOK_EVERY).await;
            }
        })
        .await
    }

    /// Stops in order: its own clients, its tasks, then its groups, which refuse new writes and
    /// give those under way time to finish. Nothing acknowledged depends on it.
    pub async fn stop(&self) {
        self.client.close().await;
        self.core.watches.close();
        self.running.stop().await;
    }

    /// Starts a task that ends with the node.
    #[cfg(not(madsim))]
    pub(crate) fn start_task(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.running.tasks.start(task);
    }

    /// What its services share.
    #[cfg(not(madsim))]
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

impl std::fmt::Debug for ComposedNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Core { node, cluster, .. } = &*self.core;
        f.debug_struct("ComposedNode")
            .field("id", node)
            .field("cluster", cluster)
            .finish_non_exhaustive()
    }
}

fn client(core: &Arc<Core>, service: &Arc<Service>) -> Client {
    let own = PeerAddress::from(&core.record());
    let ticket = Ticket { cluster: core.cluster, peers: vec![own], grant: None };
    let channel = Arc::new(LocalChannel::new(core.clone(), service.clone()));
    Client::over(channel, ticket, ClientOptions::default())
}

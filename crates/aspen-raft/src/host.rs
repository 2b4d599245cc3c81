//! Every group of one node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aspen_core::{
    GroupId, GroupRole, NodeId, PeerHandler, PeerRejection, PeerRequest, Transport, runtime,
};
use aspen_storage::{GroupLog, StateMachine};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use parking_lot::RwLock;

use crate::error::OpenError;
use crate::group::Group;
use crate::opening::Opening;
use crate::options::RaftOptions;

/// How often a host looks whether a group has stopped by itself.
const LOOK_FOR_FAILURES: Duration = Duration::from_secs(1);

/// How long writes in flight may take to finish at shutdown.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(30);

/// Hosts the replicas of one node, each group apart from the others: one that fails stops alone.
pub struct RaftHost {
    node: NodeId,
    transport: Arc<dyn Transport>,
    options: Arc<RaftOptions>,
    groups: RwLock<BTreeMap<GroupId, Arc<Group>>>,
    /// Held while a group opens, so that it opens once.
    opening: tokio::sync::Mutex<()>,
    stopping: AtomicBool,
}

impl RaftHost {
    /// A host without groups.
    pub fn new(node: NodeId, transport: Arc<dyn Transport>, options: RaftOptions) -> Arc<Self> {
        Arc::new(Self {
            node,
            transport,
            options: Arc::new(options),
            groups: RwLock::default(),
            opening: tokio::sync::Mutex::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Opens this node's replica of a group: new, or as it was left.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_group(
        &self,
        group: GroupId,
        log: Arc<dyn GroupLog>,
        state: Arc<dyn StateMachine>,
    ) -> Result<Arc<Group>, OpenError> {
        self.options.validate()?;
        let _alone = self.opening.lock().await;
        if self.stopping.load(Ordering::Acquire) {
            return Err(OpenError::Stopping);
        }
        if self.group(group).is_some() {
            return Err(OpenError::AlreadyOpen(group));
        }
        let (transport, options) = (self.transport.clone(), self.options.clone());
        let opening = Opening { group, node: self.node, transport, options, log, state };
        let opened = opening.open().await?;
        self.groups.write().insert(group, opened.clone());
        Ok(opened)
    }

    /// The node whose replicas these are.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// An open group.
    pub fn group(&self, id: GroupId) -> Option<Arc<Group>> {
        self.groups.read().get(&id).cloned()
    }

    /// All open groups, by id.
    pub fn groups(&self) -> Vec<Arc<Group>> {
        self.groups.read().values().cloned().collect()
    }

    /// Waits until a group has stopped by itself, because its log or its state machine failed;
    /// answers which. It serves again once it is closed and opened anew.
    pub async fn failed(&self) -> GroupId {
        loop {
            let groups = self.groups();
            let stopped = groups.iter().find(|group| group.metrics().role == GroupRole::Stopped);
            if let Some(group) = stopped {
                return group.id();
            }
            runtime::sleep(LOOK_FOR_FAILURES).await;
        }
    }

    /// Stops one group and forgets it: a replica that was removed from its group, or that failed.
    /// Its log and state machine stay open: whoever opened them closes them.
    pub async fn close_group(&self, id: GroupId) {
        let _alone = self.opening.lock().await;
        let group = self.groups.write().remove(&id);
        if let Some(group) = group {
            group.stop(SHUTDOWN_WAIT).await;
        }
    }

    /// Refuses new writes, waits up to 30 s for those in flight, and stops every group. The logs
    /// and state machines stay open: whoever opened them closes them.
    pub async fn shutdown(&self) {
        self.stopping.store(true, Ordering::Release);
        let _alone = self.opening.lock().await;
        let groups = std::mem::take(&mut *self.groups.write());
        join_all(groups.values().map(|group| group.stop(SHUTDOWN_WAIT))).await;
    }
}

impl std::fmt::Debug for RaftHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftHost").field("node", &self.node).finish_non_exhaustive()
    }
}

#[async_trait]
impl PeerHandler for RaftHost {
    async fn handle(&self, from: NodeId, request: PeerRequest) -> Result<Bytes, PeerRejection> {
        let group = self.group(request.group);
        let group = group.ok_or(PeerRejection::NoSuchGroup(request.group))?;
        crate::peer_requests::handle(&group, from, request).await
    }
}

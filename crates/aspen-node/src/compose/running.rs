//! What runs in a node and is to be stopped.

use std::sync::Arc;

use aspen_raft::RaftHost;

use crate::tasks::Tasks;

/// The groups and the tasks of a node.
pub(crate) struct Running {
    pub(crate) host: Arc<RaftHost>,
    pub(crate) tasks: Tasks,
}

impl Running {
    /// These groups, and no tasks yet.
    pub(crate) fn new(host: Arc<RaftHost>) -> Self {
        Self { host, tasks: Tasks::default() }
    }

    /// Stops the tasks, then the groups. Stopping twice is stopping once.
    pub(crate) async fn stop(&self) {
        self.tasks.stop().await;
        self.host.shutdown().await;
    }
}

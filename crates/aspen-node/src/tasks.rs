//! The background work of a running node.

mod announce;
mod disk;
mod peers;
mod reconcile;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, JoinHandle};
use tokio::sync::watch;

use crate::core::Core;
use crate::data_dir::DataDir;

/// Tasks that run until they are stopped.
pub(crate) struct Tasks {
    stop: watch::Sender<bool>,
    handles: Vec<JoinHandle<()>>,
}

impl Tasks {
    /// No tasks yet.
    pub(crate) fn new() -> Self {
        Self { stop: watch::Sender::new(false), handles: Vec::new() }
    }

    /// Starts a task. It is dropped, wherever it waits, when the tasks are stopped.
    pub(crate) fn start(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        let mut stopped = self.stop.subscribe();
        self.handles.push(runtime::spawn(async move {
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => {}
                () = task => {}
            }
        }));
    }

    /// Starts the work that keeps a node a good member of its cluster.
    pub(crate) fn start_membership(&mut self, core: &Arc<Core>, dir: &DataDir) {
        let files = peers::Files { peers: dir.peers_file(), ticket: dir.ticket_file() };
        self.start(peers::keep_current(core.clone(), files));
        self.start(announce::announce(core.clone()));
        for group in core.host.groups() {
            self.start(reconcile::reconcile(core.clone(), group));
        }
    }

    /// Starts the looks at the disk.
    pub(crate) fn start_disk_guard(&mut self, core: &Arc<Core>, every: Duration) {
        self.start(disk::watch_disk(core.guard.clone(), every));
    }

    /// Stops every task and waits until they are gone.
    pub(crate) async fn stop(&mut self) {
        self.stop.send_replace(true);
        for handle in self.handles.drain(..) {
            // A task that panicked has said so already.
            let _ = handle.await;
        }
    }
}

//! The background work of a running node.

mod announce;
mod disk;
mod peers;
mod reconcile;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, JoinHandle, watch};
use parking_lot::Mutex;

use crate::compose::PeerSink;
use crate::core::Core;

/// Tasks that run until they are stopped.
#[derive(Default)]
pub(crate) struct Tasks {
    stop: watch::Sender<bool>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Tasks {
    /// Starts a task. It is dropped, wherever it waits, when the tasks are stopped.
    pub(crate) fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut stopped = self.stop.subscribe();
        let handle = runtime::spawn(async move {
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => {}
                () = task => {}
            }
        });
        self.handles.lock().push(handle);
    }

    /// Starts the work that keeps a node a good member of its cluster.
    pub(crate) fn start_membership(&self, core: &Arc<Core>, sink: Option<Arc<dyn PeerSink>>) {
        self.start(peers::keep_current(core.clone(), sink));
        self.start(announce::announce(core.clone()));
        for group in core.host.groups() {
            self.start(reconcile::reconcile(core.clone(), group));
        }
    }

    /// Starts the looks at the disk.
    pub(crate) fn start_disk_guard(&self, core: &Arc<Core>, every: Duration) {
        self.start(disk::watch_disk(core.guard.clone(), every));
    }

    /// Stops every task and waits until they are gone.
    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        let handles = std::mem::take(&mut *self.handles.lock());
        for handle in handles {
            // A task that panicked has said so already.
            let _ = handle.await;
        }
    }
}

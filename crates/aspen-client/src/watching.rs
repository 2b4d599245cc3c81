//! Watches: one session with one node serves all watches of a client.
//!
//! The hub's task keeps a session with the group's leader, or another node when that does not
//! answer, and deals its answers out to the watches. Each watch has a bounded mailbox; how far it
//! has come is kept here, so that a lost session costs nothing but the time to open another.

mod hub;
mod mailbox;
mod session;

use std::sync::Arc;

use aspen_core::runtime::{self, wait_for};
use aspen_core::{Revision, WatchError, WatchRequest, WatchSource, WatchStream, WatchUpdate};
use async_trait::async_trait;

use self::hub::Entry;
pub(crate) use self::hub::Hub;
use crate::shared::Shared;

impl Shared {
    /// Begins a watch.
    pub(crate) async fn watch(
        self: &Arc<Self>,
        request: WatchRequest,
    ) -> Result<WatchStream, WatchError> {
        request.validate()?;
        let from_now = request.from.is_none();
        let entry = self.hub.register(request)?;
        let watch = ClientWatch { shared: self.clone(), entry };
        Hub::ensure_running(self);
        if from_now {
            let begun = runtime::timeout(self.options.request_timeout(), watch.begun()).await;
            let late = || WatchError::Unavailable("no node answered in time".to_owned());
            begun.map_err(|_| late())??;
        }
        Ok(WatchStream::new(watch))
    }
}

/// A watch as its stream holds it.
struct ClientWatch {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
}

impl ClientWatch {
    /// Waits until the first revision that is told is settled.
    async fn begun(&self) -> Result<Revision, WatchError> {
        wait_for(&self.entry.changed, || self.entry.mailbox.lock().begun()).await
    }
}

#[async_trait]
impl WatchSource for ClientWatch {
    async fn next(&mut self) -> Result<WatchUpdate, WatchError> {
        let update = wait_for(&self.entry.changed, || self.entry.mailbox.lock().take()).await;
        if matches!(update, Ok(WatchUpdate::Lagging { .. })) {
            self.shared.hub.resume(&self.entry);
        }
        update
    }
}

impl Drop for ClientWatch {
    fn drop(&mut self) {
        self.shared.hub.unregister(&self.entry);
    }
}

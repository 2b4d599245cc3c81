//! Watches: one session with one node serves all watches of a client.
//!
//! The hub's task keeps a session with the group's leader, or another node when that does not
//! answer, and deals its answers out to *feeds*: watches as the node sees them. Watches that want
//! the same share a feed, so that a change is sent, decoded and kept once for all of them; each is
//! a cursor in the feed's bounded log. A watch that wants the past begins with a feed of its own,
//! and goes over to the shared one when it has caught up. How far each feed has come is kept here,
//! so that a lost session costs nothing but the time to open another.

mod cursor;
mod feed;
mod hub;
mod log;
mod pace;
mod serve;
mod session;

use std::sync::Arc;

use aspen_core::runtime::{self, wait_for};
use aspen_core::{
    Revision, WatchBatch, WatchError, WatchRequest, WatchSource, WatchStream, WatchUpdate,
};
use async_trait::async_trait;

use self::cursor::{Cursor, Taken};
use self::feed::Feed;
pub(crate) use self::hub::Hub;
use crate::shared::Shared;

impl Shared {
    /// Begins a watch.
    pub(crate) async fn watch(
        self: &Arc<Self>,
        request: WatchRequest,
    ) -> Result<WatchStream, WatchError> {
        request.validate()?;
        let mut watch = ClientWatch::open(self, request)?;
        if watch.cursor.taken.is_none() {
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
    feed: Arc<Feed>,
    cursor: Cursor,
}

impl ClientWatch {
    fn open(shared: &Arc<Shared>, request: WatchRequest) -> Result<Self, WatchError> {
        shared.hub.open()?;
        let after = request.from.map(|from| Revision::new(from.get().saturating_sub(1)));
        let mut cursor = Cursor::new(after, request.progress);
        let feed = shared.hub.subscribe(request.into(), &mut cursor);
        serve::ensure_running(shared);
        Ok(Self { shared: shared.clone(), feed, cursor })
    }

    /// Waits until the first revision that is told is settled.
    async fn begun(&mut self) -> Result<(), WatchError> {
        let feed = &self.feed;
        wait_for(&feed.changed, || feed.log.lock().begun()).await?;
        self.shared.hub.rejoin(&mut self.feed, &mut self.cursor);
        Ok(())
    }

    /// Goes on with another feed.
    fn resubscribe(&mut self) {
        self.feed.log.lock().detach(&self.cursor);
        self.feed = self.shared.hub.subscribe(self.feed.key.clone(), &mut self.cursor);
        serve::ensure_running(&self.shared);
    }

    /// What the feed has for this watch; waits for it.
    async fn take(&mut self) -> Taken {
        let Self { feed, cursor, .. } = self;
        // A reader that is behind need not ask to be woken.
        let at_once = feed.log.lock().take(cursor);
        match at_once {
            Some(taken) => taken,
            None => wait_for(&feed.changed, || feed.log.lock().take(cursor)).await,
        }
    }
}

#[async_trait]
impl WatchSource for ClientWatch {
    async fn next_batch(&mut self) -> Result<WatchBatch, WatchError> {
        loop {
            match self.take().await {
                Taken::Batch(batch) => {
                    self.shared.hub.rejoin(&mut self.feed, &mut self.cursor);
                    return Ok(batch);
                }
                Taken::Lagging { resume } => {
                    self.resubscribe();
                    return Ok(WatchUpdate::Lagging { resume }.into());
                }
                Taken::Elsewhere => self.resubscribe(),
                Taken::Ended(error) => return Err(error),
            }
        }
    }
}

impl Drop for ClientWatch {
    fn drop(&mut self) {
        self.shared.hub.close(&self.feed, &self.cursor);
    }
}

//! What a node tells once for all watches of a client that want the same.

use std::sync::atomic::{AtomicBool, Ordering};

use aspen_core::{KeyRange, Revision, WatchAdd, WatchError, WatchFilter, WatchId, WatchRequest};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::log::Log;

/// What a feed tells. Watches whose requests agree in it can share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FeedKey {
    range: KeyRange,
    filter: WatchFilter,
    previous: bool,
    progress: bool,
}

impl From<WatchRequest> for FeedKey {
    fn from(request: WatchRequest) -> Self {
        let WatchRequest { range, filter, previous, progress, from: _ } = request;
        Self { range, filter, previous, progress }
    }
}

/// One watch as the node sees it, with any number of readers.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) id: WatchId,
    pub(super) key: FeedKey,
    pub(super) log: Mutex<Log>,
    /// Wakes the readers.
    pub(super) changed: Notify,
    /// Whether it is the feed that others of the same key join.
    pub(super) is_shared: AtomicBool,
}

impl Feed {
    pub(super) fn new(id: WatchId, key: FeedKey, after: Option<Revision>) -> Self {
        let (log, is_shared) = (Mutex::new(Log::new(after)), AtomicBool::new(false));
        Self { id, key, log, changed: Notify::new(), is_shared }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.is_shared.load(Ordering::Acquire)
    }

    /// Whether its readers are told of progress.
    pub(super) fn tells_progress(&self) -> bool {
        self.key.progress
    }

    /// Ends it, and the watches of its readers.
    pub(super) fn end(&self, error: WatchError) {
        self.log.lock().end(error);
        self.changed.notify_waiters();
    }

    /// How a session begins to serve it.
    pub(super) fn to_add(&self) -> WatchAdd {
        WatchAdd {
            id: self.id,
            range: self.key.range.clone(),
            filter: self.key.filter,
            previous: self.key.previous,
            after: self.log.lock().rewind(),
        }
    }
}

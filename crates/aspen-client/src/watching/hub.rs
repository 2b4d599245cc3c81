//! All watches of a client, and the task that serves them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime;
use aspen_core::{Revision, WATCH_SESSION_WATCHES_MAX, WatchError, WatchId, WatchRequest};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::mailbox::Mailbox;
use super::session;
use crate::backoff::backoff;
use crate::routes::Affinity;
use crate::shared::{Shared, group_for};

/// How long the task stays when no watch is left. Longer spares opening another session for a
/// client that watches again and again; shorter frees the old one.
const LINGER: Duration = Duration::from_secs(5);

/// One watch.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: WatchId,
    pub(super) request: WatchRequest,
    pub(super) mailbox: Mutex<Mailbox>,
    /// Wakes the reader.
    pub(super) changed: Notify,
}

impl Entry {
    /// Ends the watch.
    pub(super) fn end(&self, error: WatchError) {
        self.mailbox.lock().end(error);
        self.changed.notify_waiters();
    }
}

/// The watches of a client.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    state: Mutex<HubState>,
    /// Wakes the task: watches came, went or want to go on.
    news: Notify,
}

#[derive(Debug, Default)]
struct HubState {
    watches: BTreeMap<WatchId, Arc<Entry>>,
    /// Watches that the session does not serve and shall.
    to_add: BTreeSet<WatchId>,
    /// Watches that the session serves and shall not.
    to_remove: BTreeSet<WatchId>,
    next_id: u64,
    running: bool,
}

/// What a session has to do next.
pub(super) struct News {
    pub(super) add: Vec<Arc<Entry>>,
    pub(super) remove: Vec<WatchId>,
}

impl Hub {
    /// Adds a watch.
    pub(super) fn register(&self, request: WatchRequest) -> Result<Arc<Entry>, WatchError> {
        let mut state = self.state.lock();
        if state.watches.len() >= WATCH_SESSION_WATCHES_MAX {
            let (name, limit) = ("WATCH_SESSION_WATCHES_MAX", WATCH_SESSION_WATCHES_MAX as u64);
            return Err(WatchError::TooMany { name: name.to_owned(), limit });
        }
        let id = WatchId(state.next_id);
        state.next_id += 1;
        let after = request.from.map(|from| Revision::new(from.get().saturating_sub(1)));
        let mailbox = Mutex::new(Mailbox::new(after));
        let entry = Arc::new(Entry { id, request, mailbox, changed: Notify::new() });
        state.watches.insert(id, entry.clone());
        state.to_add.insert(id);
        drop(state);
        self.news.notify_one();
        Ok(entry)
    }

    /// Forgets a watch whose stream was dropped.
    pub(super) fn unregister(&self, entry: &Entry) {
        let mut state = self.state.lock();
        state.watches.remove(&entry.id);
        if !state.to_add.remove(&entry.id) {
            state.to_remove.insert(entry.id);
        }
        drop(state);
        self.news.notify_one();
    }

    /// The reader of a lagging watch is back.
    pub(super) fn resume(&self, entry: &Arc<Entry>) {
        let mut state = self.state.lock();
        // Its place in the session has moved on without it: it begins anew.
        if state.watches.contains_key(&entry.id) {
            state.to_add.insert(entry.id);
        }
        drop(state);
        self.news.notify_one();
    }

    /// The session shall no longer serve a watch, which stays.
    pub(super) fn pause(&self, id: WatchId) {
        self.state.lock().to_remove.insert(id);
        self.news.notify_one();
    }

    /// What has changed for the session since it last asked.
    pub(super) fn take_news(&self, adds_max: usize) -> News {
        let mut state = self.state.lock();
        let remove = std::mem::take(&mut state.to_remove);
        // A watch that is to be removed first is added by the next poll.
        let ids: Vec<WatchId> =
            state.to_add.iter().filter(|id| !remove.contains(id)).take(adds_max).copied().collect();
        let mut add = Vec::with_capacity(ids.len());
        for id in ids {
            state.to_add.remove(&id);
            add.extend(state.watches.get(&id).cloned());
        }
        News { add, remove: remove.into_iter().collect() }
    }

    /// A session has ended: the next one serves every watch that takes updates.
    pub(super) fn start_over(&self) {
        let mut state = self.state.lock();
        state.to_remove.clear();
        let open: BTreeSet<WatchId> = state
            .watches
            .values()
            .filter(|entry| !entry.mailbox.lock().is_shut())
            .map(|entry| entry.id)
            .collect();
        state.to_add = open;
    }

    /// Whether something waits for the session.
    pub(super) fn has_news(&self) -> bool {
        let state = self.state.lock();
        !state.to_add.is_empty() || !state.to_remove.is_empty()
    }

    /// Waits until something may wait for the session.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Wakes the task.
    pub(crate) fn wake(&self) {
        self.news.notify_one();
    }

    /// Ends every watch.
    fn end_all(&self, error: &WatchError) {
        let watches: Vec<_> = self.state.lock().watches.values().cloned().collect();
        watches.iter().for_each(|entry| entry.end(error.clone()));
    }

    /// Ends one watch.
    pub(super) fn end(&self, id: WatchId, error: WatchError) {
        let entry = self.state.lock().watches.get(&id).cloned();
        if let Some(entry) = entry {
            entry.end(error);
        }
    }

    fn is_empty(&self) -> bool {
        self.state.lock().watches.is_empty()
    }

    /// Starts the task unless it runs.
    pub(super) fn ensure_running(shared: &Arc<Shared>) {
        let mut state = shared.hub.state.lock();
        if !std::mem::replace(&mut state.running, true) {
            runtime::spawn(run(shared.clone()));
        }
    }

    /// Stops the task when there is nothing to do; answers whether it may.
    fn stop_if_unused(&self) -> bool {
        let mut state = self.state.lock();
        let unused = state.watches.is_empty();
        state.running = !unused;
        unused
    }
}

/// Serves the watches, session after session, until none is left.
async fn run(shared: Arc<Shared>) {
    let group = group_for();
    let mut tried = BTreeSet::new();
    let mut pauses = backoff(&shared.options);
    loop {
        if shared.is_closed() {
            shared.hub.state.lock().running = false;
            shared.hub.end_all(&WatchError::Closed("the client is closed".to_owned()));
            return;
        }
        if shared.hub.is_empty() {
            let _ = runtime::timeout(LINGER, shared.hub.news()).await;
            if shared.hub.stop_if_unused() {
                return;
            }
        }
        shared.hub.start_over();
        let Some(peer) = shared.routes.pick(group, Affinity::Leader, &tried) else {
            tried.clear();
            shared.refresh_soon();
            runtime::sleep(pauses.pause()).await;
            continue;
        };
        tried.insert(peer.endpoint);
        let ended = session::run(&shared, group, &peer).await;
        if ended.served {
            tried.clear();
            pauses = backoff(&shared.options);
        }
        if let Some(error) = ended.fatal {
            shared.hub.end_all(&error);
        }
    }
}

//! All watches of a client: which feeds there are, and who reads which.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aspen_core::{WATCH_SESSION_WATCHES_MAX, WatchError, WatchId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::cursor::Cursor;
use super::feed::{Feed, FeedKey};

/// The watches of a client. Its lock is taken before that of a log, never after.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    state: Mutex<HubState>,
    /// Wakes the task: feeds came or went.
    news: Notify,
}

#[derive(Debug, Default)]
struct HubState {
    /// How many watches are open.
    watches: usize,
    /// The feeds that have not ended.
    feeds: BTreeMap<WatchId, Arc<Feed>>,
    /// Those of them that new watches join, by what they tell.
    shared: BTreeMap<FeedKey, Arc<Feed>>,
    /// Feeds that the session does not serve and shall.
    to_add: BTreeSet<WatchId>,
    /// Feeds that the session serves and shall not.
    to_remove: BTreeSet<WatchId>,
    next_id: u64,
    is_running: bool,
}

/// What a session has to do next.
pub(super) struct News {
    pub(super) add: Vec<Arc<Feed>>,
    pub(super) remove: Vec<WatchId>,
}

impl Hub {
    /// Counts another watch.
    pub(super) fn open(&self) -> Result<(), WatchError> {
        let mut state = self.state.lock();
        if state.watches >= WATCH_SESSION_WATCHES_MAX {
            let (name, limit) = ("WATCH_SESSION_WATCHES_MAX", WATCH_SESSION_WATCHES_MAX as u64);
            return Err(WatchError::TooMany { name: name.to_owned(), limit });
        }
        state.watches += 1;
        Ok(())
    }

    /// Forgets a watch whose stream was dropped.
    pub(super) fn close(&self, feed: &Feed, cursor: &Cursor) {
        let mut state = self.state.lock();
        state.watches -= 1;
        state.leave(feed, cursor);
        drop(state);
        self.news.notify_one();
    }

    /// A feed for a reader: the shared one if that has what it wants, or one of its own.
    pub(super) fn subscribe(&self, key: FeedKey, cursor: &mut Cursor) -> Arc<Feed> {
        let mut state = self.state.lock();
        if let Some(feed) = state.join(&key, cursor) {
            return feed;
        }
        let id = WatchId(state.next_id);
        state.next_id += 1;
        let feed = Arc::new(Feed::new(id, key, cursor.taken));
        feed.log.lock().attach(cursor);
        state.feeds.insert(id, feed.clone());
        state.to_add.insert(id);
        if !state.shared.contains_key(&feed.key) {
            state.share(&feed);
        }
        drop(state);
        self.news.notify_one();
        feed
    }

    /// The reader of a feed of its own goes over to the shared one once that has all it wants.
    pub(super) fn rejoin(&self, feed: &mut Arc<Feed>, cursor: &mut Cursor) {
        if feed.is_shared() {
            return;
        }
        let mut state = self.state.lock();
        feed.log.lock().settle(cursor);
        let mut moved = cursor.clone();
        if let Some(shared) = state.join(&feed.key, &mut moved) {
            state.leave(feed, cursor);
            (*feed, *cursor) = (shared, moved);
            drop(state);
            self.news.notify_one();
        } else if feed.log.lock().is_live() {
            state.share_instead(feed);
        }
    }

    /// All readers of a feed were too slow: the session shall no longer serve it.
    pub(super) fn retire(&self, feed: &Feed) {
        self.state.lock().forget(feed);
        self.news.notify_one();
    }

    /// Ends one feed, which the session serves no longer.
    pub(super) fn end(&self, feed: &Feed, error: WatchError) {
        let mut state = self.state.lock();
        state.forget(feed);
        state.to_remove.remove(&feed.id);
        drop(state);
        feed.end(error);
    }

    /// Ends every watch.
    pub(super) fn end_all(&self, error: &WatchError) {
        self.end_where(error, |_| true);
    }

    /// Ends the watches that have not begun.
    pub(super) fn end_unbegun(&self, error: &WatchError) {
        self.end_where(error, |feed| feed.log.lock().begun().is_none());
    }

    fn end_where(&self, error: &WatchError, is_meant: impl Fn(&Feed) -> bool) {
        let mut state = self.state.lock();
        let meant: Vec<_> = state.feeds.values().filter(|feed| is_meant(feed)).cloned().collect();
        meant.iter().for_each(|feed| state.forget(feed));
        drop(state);
        meant.iter().for_each(|feed| feed.end(error.clone()));
    }

    /// What has changed for the session since it last asked.
    pub(super) fn take_news(&self, adds_max: usize) -> News {
        let mut state = self.state.lock();
        let remove = std::mem::take(&mut state.to_remove).into_iter().collect();
        let ids: Vec<WatchId> = state.to_add.iter().take(adds_max).copied().collect();
        let mut add = Vec::with_capacity(ids.len());
        for id in ids {
            state.to_add.remove(&id);
            add.extend(state.feeds.get(&id).cloned());
        }
        News { add, remove }
    }

    /// A session has ended: the next one serves every feed.
    pub(super) fn start_over(&self) {
        let mut state = self.state.lock();
        state.to_remove.clear();
        state.to_add = state.feeds.keys().copied().collect();
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

    /// Whether there is nothing to be told.
    pub(super) fn is_idle(&self) -> bool {
        self.state.lock().feeds.is_empty()
    }

    /// How many feeds there are.
    #[cfg(test)]
    pub(crate) fn feeds(&self) -> usize {
        self.state.lock().feeds.len()
    }

    /// Notes that the task runs; answers whether it did.
    pub(super) fn set_running(&self) -> bool {
        std::mem::replace(&mut self.state.lock().is_running, true)
    }

    /// Notes that the task stops, if there is nothing to do; answers whether it may.
    pub(super) fn stop_if_idle(&self) -> bool {
        let mut state = self.state.lock();
        state.is_running = !state.feeds.is_empty();
        !state.is_running
    }
}

impl HubState {
    /// Adds a reader to the shared feed of a key, if that has all it wants.
    fn join(&self, key: &FeedKey, cursor: &mut Cursor) -> Option<Arc<Feed>> {
        let feed = self.shared.get(key)?;
        // "Now" is when the node is asked: a feed that was asked for before began too early.
        let is_in_time = cursor.taken.is_some() || self.to_add.contains(&feed.id);
        (is_in_time && feed.log.lock().attach(cursor)).then(|| feed.clone())
    }

    /// Takes a reader from its feed; a feed without readers is no longer served.
    fn leave(&mut self, feed: &Feed, cursor: &Cursor) {
        let has_readers = {
            let mut log = feed.log.lock();
            log.detach(cursor);
            log.has_readers()
        };
        if !has_readers {
            self.forget(feed);
        }
    }

    /// Lets a feed go.
    fn forget(&mut self, feed: &Feed) {
        if self.feeds.remove(&feed.id).is_none() {
            return;
        }
        if feed.is_shared() {
            self.shared.remove(&feed.key);
        }
        if !self.to_add.remove(&feed.id) {
            self.to_remove.insert(feed.id);
        }
    }

    /// Makes a feed the one that others join.
    fn share(&mut self, feed: &Arc<Feed>) {
        feed.is_shared.store(true, Ordering::Release);
        if let Some(before) = self.shared.insert(feed.key.clone(), feed.clone()) {
            before.is_shared.store(false, Ordering::Release);
        }
    }

    /// Prefers a feed of the present to one that is still told of the past. Its readers come over
    /// when they have caught up.
    fn share_instead(&mut self, feed: &Arc<Feed>) {
        let is_past = |shared: &Arc<Feed>| !shared.log.lock().is_live();
        if self.feeds.contains_key(&feed.id) && self.shared.get(&feed.key).is_none_or(is_past) {
            self.share(feed);
        }
    }
}

#[cfg(test)]
mod tests;

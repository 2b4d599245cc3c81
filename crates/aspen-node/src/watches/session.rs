//! One session: its watches, and the polls that ask for their changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use aspen_core::runtime::{self, Elapsed, Instant};
use aspen_core::{
    InvalidRequest, Revision, WATCH_SESSION_WATCHES_MAX, WATCH_WAIT_MS_MAX, WatchAdd, WatchError,
    WatchId, WatchPoll, WatchPollError, WatchPosition, WatchReply,
};
use aspen_raft::Group;
use parking_lot::Mutex;
use tokio::sync::{MutexGuard, Notify};

use super::WATCHES_MAX;
use super::index::{Index, Watcher};
use super::reply::ReplyBuilder;
use super::round;

/// How long a poll waits for those before it. They are on their way, or lost, and then the session
/// is.
const TURN_PATIENCE: Duration = Duration::from_secs(5);

/// A session of one client with one group.
pub(super) struct Session {
    /// The number of the latest poll that arrived.
    latest: AtomicU64,
    /// Tells the poll before that a later one came.
    arrived: Notify,
    /// Tells polls that came too early that another began.
    begun: Notify,
    polled: Mutex<Instant>,
    state: tokio::sync::Mutex<State>,
}

/// The watches of a session.
pub(super) struct State {
    /// The number of the poll whose turn it is.
    next: u64,
    /// Every watch.
    pub(super) watchers: BTreeMap<WatchId, Watcher>,
    /// Those that have come as far as `front`.
    pub(super) together: Index,
    /// How far.
    pub(super) front: WatchPosition,
    /// The others, and how far each has come.
    pub(super) alone: BTreeMap<WatchId, WatchPosition>,
    /// Watches of the whole node.
    count: Arc<AtomicUsize>,
}

impl Session {
    pub(super) fn new(count: Arc<AtomicUsize>) -> Self {
        let state = State {
            next: 0,
            watchers: BTreeMap::new(),
            together: Index::default(),
            front: WatchPosition::through(Revision::ZERO),
            alone: BTreeMap::new(),
            count,
        };
        Self {
            latest: AtomicU64::new(0),
            arrived: Notify::new(),
            begun: Notify::new(),
            polled: Mutex::new(runtime::now()),
            state: tokio::sync::Mutex::new(state),
        }
    }

    /// The state, when it is a poll's turn. Polls are answered in the order of their numbers, each
    /// once: the network may bring one before the other, or twice, and whoever answered it out of
    /// turn would tell changes in another order, or to nobody.
    async fn turn(&self, sequence: u64) -> Result<MutexGuard<'_, State>, WatchPollError> {
        let in_turn = async {
            loop {
                let begun = self.begun.notified();
                tokio::pin!(begun);
                begun.as_mut().enable();
                let mut state = self.state.lock().await;
                if sequence <= state.next {
                    let is_next = sequence == state.next;
                    state.next += u64::from(is_next);
                    self.begun.notify_waiters();
                    return Some(state).filter(|_| is_next);
                }
                drop(state);
                begun.await;
            }
        };
        let waited = runtime::timeout(TURN_PATIENCE, in_turn).await;
        waited.ok().flatten().ok_or(WatchPollError::UnknownSession)
    }

    /// Whether no poll came for so long.
    pub(super) fn is_idle(&self, now: Instant, limit: Duration) -> bool {
        now.saturating_duration_since(*self.polled.lock()) > limit
    }

    /// Ends the poll that waits.
    pub(super) fn close(&self) {
        self.latest.store(u64::MAX, Ordering::Release);
        self.arrived.notify_waiters();
    }

    /// Answers a poll.
    pub(super) async fn poll(
        &self,
        group: &Group,
        poll: WatchPoll,
    ) -> Result<WatchReply, WatchPollError> {
        *self.polled.lock() = runtime::now();
        self.latest.fetch_max(poll.sequence, Ordering::AcqRel);
        self.arrived.notify_waiters();
        let mut state = self.turn(poll.sequence).await?;
        let mut reply = ReplyBuilder::default();
        poll.remove.iter().for_each(|id| state.remove(*id));
        state.add_all(group, poll.add, &mut reply).await?;
        let wait = Duration::from_millis(poll.wait_ms.min(WATCH_WAIT_MS_MAX));
        let deadline = runtime::now() + wait;
        let mut quiet = true;
        loop {
            let mut revisions = group.state().revisions();
            let later = self.arrived.notified();
            tokio::pin!(later);
            later.as_mut().enable();
            round::run(group, &mut state, &mut reply).await?;
            if !reply.is_empty() || self.latest.load(Ordering::Acquire) != poll.sequence {
                break;
            }
            let left = deadline.saturating_duration_since(runtime::now());
            let moved = runtime::timeout(left, wait_for(revisions.changed(), later)).await;
            match moved {
                Ok(true) => quiet = false,
                Ok(false) => break,
                // Nothing new for so long: is it that nothing happens, or that this replica is cut
                // off? A client of the latter goes elsewhere.
                Err(Elapsed) if quiet => {
                    group.read_revision().await?;
                    break;
                }
                Err(Elapsed) => break,
            }
        }
        *self.polled.lock() = runtime::now();
        Ok(reply.finish(state.front.clone()))
    }
}

/// Waits for the first of both; answers whether it was a change of the state.
async fn wait_for<E>(
    moved: impl Future<Output = Result<(), E>>,
    later: impl Future<Output = ()>,
) -> bool {
    tokio::pin!(moved);
    tokio::select! {
        biased;
        () = later => false,
        result = &mut moved => result.is_ok(),
    }
}

impl State {
    async fn add_all(
        &mut self,
        group: &Group,
        adds: Vec<WatchAdd>,
        reply: &mut ReplyBuilder,
    ) -> Result<(), WatchPollError> {
        if self.watchers.is_empty() {
            self.front = WatchPosition::through(group.state().revision());
        }
        // One fence for all: what was written before the poll was sent is not told.
        let fresh = match adds.iter().any(|add| add.after.is_none()) {
            true => group.read_revision().await?,
            false => Revision::ZERO,
        };
        adds.into_iter().for_each(|add| self.add(add, fresh, reply));
        Ok(())
    }

    /// Begins a watch, or ends it with the reason why it cannot begin.
    fn add(&mut self, add: WatchAdd, fresh: Revision, reply: &mut ReplyBuilder) {
        if self.watchers.contains_key(&add.id) || add.range.is_empty() {
            let detail = "a watch needs an id of its own and a range that can hold a key";
            return reply.end(add.id, WatchError::Invalid(InvalidRequest::new(detail)));
        }
        if self.watchers.len() >= WATCH_SESSION_WATCHES_MAX {
            let (name, limit) = ("WATCH_SESSION_WATCHES_MAX", WATCH_SESSION_WATCHES_MAX);
            return reply.end(add.id, too_many(name, limit));
        }
        if self.count.fetch_add(1, Ordering::AcqRel) >= WATCHES_MAX {
            self.count.fetch_sub(1, Ordering::AcqRel);
            return reply.end(add.id, too_many("WATCHES_MAX", WATCHES_MAX));
        }
        let WatchAdd { id, range, filter, previous, after } = add;
        self.watchers.insert(id, Watcher { range, filter, previous });
        self.alone.insert(id, WatchPosition::through(after.unwrap_or(fresh)));
    }

    /// Ends a watch; nothing happens when it has ended.
    pub(super) fn remove(&mut self, id: WatchId) {
        let Some(watcher) = self.watchers.remove(&id) else { return };
        self.count.fetch_sub(1, Ordering::AcqRel);
        if self.alone.remove(&id).is_none() {
            self.together.remove(id, &watcher.range);
        }
    }
}

fn too_many(name: &str, limit: usize) -> WatchError {
    WatchError::TooMany { name: name.to_owned(), limit: limit as u64 }
}

impl Drop for State {
    fn drop(&mut self) {
        self.count.fetch_sub(self.watchers.len(), Ordering::AcqRel);
    }
}

//! Sessions: the client's side of applying every write once (Raft dissertation, section 6.3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, Instant, wait_for};
use aspen_core::{ClientId, GroupId, SESSION_TTL_MS, SESSION_WINDOW_MAX, SessionStamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// A session that has been idle this long is left for a new one: the group may be about to drop it,
/// and a write whose first answer is lost just then could not be settled by its retry.
const SESSION_IDLE_MAX: Duration = Duration::from_millis(SESSION_TTL_MS / 2);

/// The open session of each group.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<BTreeMap<GroupId, Arc<Session>>>,
    /// Held while a session is being opened, so that concurrent first writes open one.
    pub(crate) opening: tokio::sync::Mutex<()>,
}

impl Sessions {
    /// The group's session, unless it has none or has been idle for too long.
    pub(crate) fn current(&self, group: GroupId) -> Option<Arc<Session>> {
        self.open.lock().get(&group).filter(|session| !session.is_idle()).cloned()
    }

    pub(crate) fn insert(&self, group: GroupId, session: Arc<Session>) {
        self.open.lock().insert(group, session);
    }

    /// Forgets a session that the group has dropped, unless another took its place already.
    pub(crate) fn discard(&self, group: GroupId, session: &Session) {
        let mut open = self.open.lock();
        if open.get(&group).is_some_and(|current| current.client == session.client) {
            open.remove(&group);
        }
    }
}

/// One client identity with its window of sequence numbers.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: ClientId,
    window: Mutex<Window>,
    moved: Notify,
}

/// `outstanding ⊆ [lowest, next)` and `next - lowest <= SESSION_WINDOW_MAX`.
#[derive(Debug)]
struct Window {
    next: u64,
    outstanding: BTreeSet<u64>,
    used: Instant,
}

impl Window {
    /// The lowest number whose write is not settled.
    fn lowest(&self) -> u64 {
        self.outstanding.first().copied().unwrap_or(self.next)
    }
}

impl Session {
    pub(crate) fn new(client: ClientId) -> Arc<Self> {
        let window = Window { next: 0, outstanding: BTreeSet::new(), used: runtime::now() };
        Arc::new(Self { client, window: Mutex::new(window), moved: Notify::new() })
    }

    /// Takes the next sequence number; waits while the window is full, which one stuck write among
    /// many quick ones can cause.
    pub(crate) async fn begin(self: &Arc<Self>) -> OutstandingWrite {
        wait_for(&self.moved, || self.try_begin()).await
    }

    fn try_begin(self: &Arc<Self>) -> Option<OutstandingWrite> {
        let mut window = self.window.lock();
        let sequence = window.next;
        if sequence - window.lowest() >= SESSION_WINDOW_MAX {
            return None;
        }
        window.next += 1;
        window.used = runtime::now();
        window.outstanding.insert(sequence);
        let settled_below = window.lowest();
        let stamp = SessionStamp { client: self.client, sequence, settled_below };
        Some(OutstandingWrite { session: self.clone(), stamp })
    }

    fn settle(&self, sequence: u64) {
        let mut window = self.window.lock();
        let lowest = window.lowest();
        window.outstanding.remove(&sequence);
        if window.lowest() != lowest {
            self.moved.notify_waiters();
        }
    }

    fn is_idle(&self) -> bool {
        let window = self.window.lock();
        window.outstanding.is_empty()
            && runtime::now().duration_since(window.used) >= SESSION_IDLE_MAX
    }
}

/// A write whose sequence number is taken. Dropping it settles the number, also when the caller
/// gave up: nobody will repeat that stamp, and once the floor has passed it the group refuses a
/// copy that is still on its way.
#[derive(Debug)]
pub(crate) struct OutstandingWrite {
    session: Arc<Session>,
    pub(crate) stamp: SessionStamp,
}

impl Drop for OutstandingWrite {
    fn drop(&mut self) {
        self.session.settle(self.stamp.sequence);
    }
}

#[cfg(test)]
mod tests;

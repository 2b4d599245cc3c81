//! The watch sessions that clients have with this node.
//!
//! A session is soft state: it says which keys a client watches and how far each watch has come. It
//! is lost with the node or when it is not polled for [`SESSION_IDLE`]; its client then opens
//! another, here or elsewhere, from where its watches stand. Changes are never queued for a client:
//! a poll collects them from the state's memory or history when it comes.

mod index;
mod reply;
mod round;
mod session;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use aspen_core::{EndpointKey, GroupId, WatchPoll, WatchPollError, WatchReply, runtime};
use aspen_raft::Group;
use parking_lot::Mutex;

use self::session::Session;

/// After how long without a poll a session is forgotten. Above the longest wait of a poll, so that
/// a client that polls at all keeps it.
const SESSION_IDLE: Duration = Duration::from_millis(2 * aspen_core::WATCH_WAIT_MS_MAX);

/// How many watch sessions a node keeps. Each costs about a kilobyte beside its watches.
pub(crate) const WATCH_SESSIONS_MAX: usize = 10_000;

/// How many watches the sessions of a node hold together, at some 300 bytes each.
pub(crate) const WATCHES_MAX: usize = 200_000;

type SessionKey = (GroupId, EndpointKey, u64);

/// The sessions of a node.
#[derive(Default)]
pub(crate) struct Watches {
    sessions: Mutex<BTreeMap<SessionKey, Arc<Session>>>,
    /// Watches of all sessions.
    count: Arc<AtomicUsize>,
}

impl Watches {
    /// Answers a poll: at once when something is to be told, otherwise when something is or its
    /// wait is over.
    pub(crate) async fn poll(
        &self,
        group: &Group,
        client: EndpointKey,
        poll: WatchPoll,
    ) -> Result<WatchReply, WatchPollError> {
        let key = (group.id(), client, poll.session);
        let session = match poll.sequence {
            0 => self.open(key)?,
            _ => self.find(key)?,
        };
        session.poll(group, poll).await
    }

    fn open(&self, key: SessionKey) -> Result<Arc<Session>, WatchPollError> {
        let mut sessions = self.sessions.lock();
        let now = runtime::now();
        sessions.retain(|_, session| !session.is_idle(now, SESSION_IDLE));
        if sessions.len() >= WATCH_SESSIONS_MAX {
            let (name, limit) = ("WATCH_SESSIONS_MAX".to_owned(), WATCH_SESSIONS_MAX as u64);
            return Err(WatchPollError::TooMany { name, limit });
        }
        // A session that is there already was opened by an earlier copy of the same poll.
        match sessions.entry(key) {
            Entry::Occupied(_) => Err(WatchPollError::UnknownSession),
            Entry::Vacant(entry) => {
                let session = Arc::new(Session::new(self.count.clone()));
                Ok(entry.insert(session).clone())
            }
        }
    }

    fn find(&self, key: SessionKey) -> Result<Arc<Session>, WatchPollError> {
        self.sessions.lock().get(&key).cloned().ok_or(WatchPollError::UnknownSession)
    }

    /// Ends all polls that wait, when the node stops. Clients go on elsewhere.
    pub(crate) fn close(&self) {
        let sessions = std::mem::take(&mut *self.sessions.lock());
        sessions.into_values().for_each(|session| session.close());
    }

    /// How many watches are open, over all sessions.
    #[cfg(not(madsim))]
    pub(crate) fn count(&self) -> usize {
        self.count.load(std::sync::atomic::Ordering::Relaxed)
    }
}

//! How a client asks a replica for changes: long polls of a session of watches.
//!
//! A session lives in the memory of one replica and may be lost at any time. The client keeps how
//! far each watch has come, polls one request at a time, and opens a new session wherever it likes
//! when a poll gets no answer: what an unanswered poll would have said is asked for again. So no
//! change is lost or told twice, and a replica never waits for a slow client: it is simply not
//! polled.

use serde::{Deserialize, Serialize};

use super::{WatchError, WatchEvent, WatchFilter};
use crate::codec::bounded::bounded_by;
use crate::{Key, KeyRange, ReadError, Revision};

/// How many watches one poll may open. Sessions may hold more; it bounds a message.
pub const WATCH_SESSION_ADDS_MAX: usize = 10_000;

/// How long a poll may wait for changes, in milliseconds. A longer wait costs idle watches less; a
/// shorter one notices a lost session sooner.
pub const WATCH_WAIT_MS_MAX: u64 = 60_000;

/// How many watches one session may hold. More lets one client watch more keys one by one; each
/// costs its replica some 300 bytes.
pub const WATCH_SESSION_WATCHES_MAX: usize = 100_000;

/// How many events an answer may hold, and how many watches by themselves.
const WATCH_EVENTS_MAX: usize = 100_000;

bounded_by!(adds_bound, WATCH_SESSION_ADDS_MAX);
bounded_by!(events_bound, WATCH_EVENTS_MAX);
bounded_by!(watches_bound, WATCH_SESSION_WATCHES_MAX);

/// A watch within its session, chosen by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WatchId(pub u64);

/// How far a watch has been told. Later positions are greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WatchPosition {
    /// Every change below this revision has been told.
    pub revision: Revision,
    /// How much of this revision has been.
    pub told: Told,
}

/// How much of a revision has been told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Told {
    /// The keys up to this one.
    Through(Key),
    /// All of it.
    All,
}

impl WatchPosition {
    /// Everything up to a revision, that one included.
    pub const fn through(revision: Revision) -> Self {
        Self { revision, told: Told::All }
    }

    /// Everything up to a change of a key.
    pub const fn at(revision: Revision, key: Key) -> Self {
        Self { revision, told: Told::Through(key) }
    }

    /// The last revision of which everything has been told.
    pub fn complete(&self) -> Revision {
        match self.told {
            Told::All => self.revision,
            Told::Through(_) => Revision::new(self.revision.get().saturating_sub(1)),
        }
    }
}

/// One request of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchPoll {
    /// The session, drawn at random by its client.
    pub session: u64,
    /// The number of the poll in its session, from 0, which opens it. A poll ends the one before,
    /// should that still wait.
    pub sequence: u64,
    /// Watches to begin.
    #[serde(with = "adds_bound")]
    pub add: Vec<WatchAdd>,
    /// Watches to end.
    #[serde(with = "watches_bound")]
    pub remove: Vec<WatchId>,
    /// How long to wait for changes when there are none, in milliseconds, at most
    /// [`WATCH_WAIT_MS_MAX`].
    pub wait_ms: u64,
}

/// A watch to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchAdd {
    /// Its name in the session, not used before.
    pub id: WatchId,
    /// The keys.
    pub range: KeyRange,
    /// Which kinds of changes.
    pub filter: WatchFilter,
    /// Whether events carry the state before.
    pub previous: bool,
    /// Changes up to this revision are not wanted; `None`: those that were made before the poll.
    pub after: Option<Revision>,
}

/// The answer to a poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchReply {
    /// Sets of watches that events name.
    #[serde(with = "events_bound")]
    pub sets: Vec<WatchSet>,
    /// What happened, for each watch in the order of revisions and keys.
    #[serde(with = "events_bound")]
    pub events: Vec<WatchedEvent>,
    /// How far watches have come that are told by themselves: new ones, and those whose changes
    /// come from history.
    #[serde(with = "events_bound")]
    pub alone: Vec<WatchProgress>,
    /// How far all others have come.
    pub through: WatchPosition,
    /// Watches that have ended.
    #[serde(with = "events_bound")]
    pub ended: Vec<(WatchId, WatchError)>,
}

/// Watches that are told the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WatchSet(#[serde(with = "watches_bound")] pub Vec<WatchId>);

/// An event with those who are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedEvent {
    /// The place of their set in [`WatchReply::sets`].
    pub set: u32,
    /// What happened.
    pub event: WatchEvent,
}

/// How far one watch has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchProgress {
    /// The watch.
    pub id: WatchId,
    /// How far.
    pub position: WatchPosition,
    /// Whether it goes on with all others from here.
    pub joins: bool,
}

/// A poll that got no changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum WatchPollError {
    /// The replica does not know the session: open another.
    #[error("unknown session")]
    UnknownSession,
    /// The replica has no room for another session. One without room for a watch ends that watch
    /// alone, in [`WatchReply::ended`].
    #[error("{limit} sessions are open ({name})")]
    TooMany {
        /// The limit's name.
        name: String,
        /// The limit.
        limit: u64,
    },
    /// The replica cannot tell what changed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

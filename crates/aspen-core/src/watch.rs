//! Watching keys: what is asked, what a watcher is told, and how a stream of it is read.
//!
//! What every watch promises, whatever serves it (etcd's nine properties):
//!
//! * *filtered*: only changes of its range, of the kinds it asks for;
//! * *ordered*: by revision, and within a revision by key;
//! * *unique*: no change twice;
//! * *atomic*: all changes that a revision made to its range come in one [`WatchUpdate::Events`];
//! * *resumable*: from any revision that is not compacted;
//! * *reliable*: every change from the first revision asked for, across changes of leader and lost
//!   connections, or an error that says what is missing;
//! * *bookmarkable*: [`WatchUpdate::Progress`] names a revision up to which all has been told;
//! * *is-create*: [`WatchEvent::is_create`] tells a new key from a changed one;
//! * *previous value*: on request, the state before the change, unless it is compacted.

/// The guide, whose examples are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/watches.md")]
struct Guide;

mod event;
mod poll;
mod shared_slice;
mod stream;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ErrorKind, InvalidRequest, KeyRange, Revision};

pub use event::{WatchBatch, WatchChange, WatchEvent, WatchEvents, WatchUpdate};
pub use poll::{
    Told, WATCH_SESSION_ADDS_MAX, WATCH_SESSION_WATCHES_MAX, WATCH_WAIT_MS_MAX, WatchAdd, WatchId,
    WatchPoll, WatchPollError, WatchPosition, WatchProgress, WatchReply, WatchSet, WatchedEvent,
};
pub use shared_slice::{IntoIter as SharedSliceIter, SharedSlice};
pub use stream::{WatchSource, WatchStream};

/// Which kinds of changes a watcher is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WatchFilter {
    /// All of them.
    #[default]
    All,
    /// Keys that are set.
    Puts,
    /// Keys that are removed.
    Deletes,
}

impl WatchFilter {
    /// Whether a change of this kind is told.
    pub fn admits(self, is_delete: bool) -> bool {
        match self {
            Self::All => true,
            Self::Puts => !is_delete,
            Self::Deletes => is_delete,
        }
    }
}

/// What to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchRequest {
    /// The keys.
    pub range: KeyRange,
    /// The first revision whose changes are wanted, which may lie in the future; `None`: whatever
    /// changes after the call.
    pub from: Option<Revision>,
    /// Which kinds of changes.
    pub filter: WatchFilter,
    /// Whether events carry the state before the change. Costs a read of the past for each.
    pub previous: bool,
    /// Whether to be told of progress when nothing in the range changes, about once a second.
    pub progress: bool,
}

impl WatchRequest {
    /// Changes of a range after the call.
    pub fn new(range: KeyRange) -> Self {
        let filter = WatchFilter::All;
        Self { range, from: None, filter, previous: false, progress: false }
    }

    /// The same from a revision on, that one included.
    pub fn from(self, revision: Revision) -> Self {
        Self { from: Some(revision), ..self }
    }

    /// The same with the state before each change.
    pub fn with_previous(self) -> Self {
        Self { previous: true, ..self }
    }

    /// The same with news of progress.
    pub fn with_progress(self) -> Self {
        Self { progress: true, ..self }
    }

    /// Checks the request.
    ///
    /// # Errors
    /// The range can hold no key, or the first revision is 0, which no change has.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        if self.range.is_empty() {
            return Err(InvalidRequest::new("range: its end is not above its start"));
        }
        if self.from == Some(Revision::ZERO) {
            return Err(InvalidRequest::new("from: revisions begin at 1"));
        }
        Ok(())
    }
}

/// Why a watch ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum WatchError {
    /// Changes that the watch had still to tell are gone. Read the state anew and watch from there.
    #[error("revision {requested} is compacted; the oldest revision to watch from is {oldest}")]
    Compacted {
        /// The first revision that was still to be told.
        requested: Revision,
        /// The first revision that can be watched from.
        oldest: Revision,
    },
    /// The request is wrong.
    #[error("invalid request: {0}")]
    Invalid(#[from] InvalidRequest),
    /// The caller lacks the right.
    #[error("denied: {0}")]
    Denied(String),
    /// The store is closed.
    #[error("closed: {0}")]
    Closed(String),
    /// Nobody could say in time where "now" is; the watch has not begun.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Too many watches are open.
    #[error("{limit} watches are open ({name})")]
    TooMany {
        /// The limit's name.
        name: String,
        /// The limit.
        limit: u64,
    },
    /// A broken invariant.
    #[error("bug: {0}")]
    Bug(String),
}

impl WatchError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Compacted { .. } => ErrorKind::Conflict,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Denied(_) => ErrorKind::Denied,
            Self::Closed(_) | Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::TooMany { .. } => ErrorKind::Retry,
            Self::Bug(_) => ErrorKind::Bug,
        }
    }
}

/// A store whose changes can be watched.
#[async_trait]
pub trait Watch: Send + Sync {
    /// Begins to watch. Once it returns, every change made after it returned will be told (with
    /// `from`: every change from there).
    ///
    /// # Errors
    /// See [`WatchError`]. Without `from` a node has to say where to begin; after that, or with it,
    /// an unreachable cluster is no error: the stream waits for it.
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream, WatchError>;
}

//! What a watcher is told.

use serde::{Deserialize, Serialize};

use super::SharedSlice;
use crate::{Key, KeyValue, Revision};

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchChange {
    /// It was set; its state since.
    Put(KeyValue),
    /// It was removed, by hand or with its lease.
    Delete {
        /// The key.
        key: Key,
        /// The revision of the removal.
        revision: Revision,
    },
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchEvent {
    /// What happened.
    pub change: WatchChange,
    /// The state before, when it was asked for; `None` for a new key, and for history that is
    /// compacted.
    pub previous: Option<KeyValue>,
}

impl WatchEvent {
    /// The key.
    pub fn key(&self) -> &Key {
        match &self.change {
            WatchChange::Put(entry) => &entry.key,
            WatchChange::Delete { key, .. } => key,
        }
    }

    /// The revision of the change.
    pub fn revision(&self) -> Revision {
        match &self.change {
            WatchChange::Put(entry) => entry.mod_revision,
            WatchChange::Delete { revision, .. } => *revision,
        }
    }

    /// Whether the key was removed.
    pub fn is_delete(&self) -> bool {
        matches!(self.change, WatchChange::Delete { .. })
    }

    /// Whether the key came into being.
    pub fn is_create(&self) -> bool {
        match &self.change {
            WatchChange::Put(entry) => entry.create_revision == entry.mod_revision,
            WatchChange::Delete { .. } => false,
        }
    }

    /// The bytes of keys and values: what limits count.
    pub fn len_bytes(&self) -> usize {
        let change = match &self.change {
            WatchChange::Put(entry) => entry.len_bytes(),
            WatchChange::Delete { key, .. } => key.as_bytes().len(),
        };
        change + self.previous.as_ref().map_or(0, KeyValue::len_bytes)
    }
}

/// What one revision changed. Taken by value, its events are copied, but not their keys and values:
/// those are shared.
pub type WatchEvents = SharedSlice<WatchEvent>;

/// Updates that came together, in order. Watches of the same keys may share them.
pub type WatchBatch = SharedSlice<WatchUpdate>;

/// One step of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchUpdate {
    /// Everything that one revision changed in the range, in key order; never empty.
    Events {
        /// The revision.
        revision: Revision,
        /// Its changes.
        events: WatchEvents,
    },
    /// Every change up to this revision has been told: a place to resume after.
    Progress {
        /// The revision.
        revision: Revision,
    },
    /// The watcher took its updates too slowly and some were dropped. They come again, from
    /// history, beginning with this revision; nothing is to be done unless they are no longer
    /// wanted.
    Lagging {
        /// The first revision that comes again.
        resume: Revision,
    },
}

impl From<WatchUpdate> for WatchBatch {
    fn from(update: WatchUpdate) -> Self {
        Self::from(vec![update])
    }
}

//! The steps of a transaction and what each answers.

use serde::{Deserialize, Serialize};

use crate::codec::bounded::bounded_by;
use crate::{Key, KeyRange, KeyValue, LeaseId, Revision, SCAN_RESULTS_MAX, Value};

bounded_by!(entries_bound, SCAN_RESULTS_MAX as usize);

/// One step of a transaction. Steps run in order and see the steps before them.
///
/// A transaction is one change of each key it touches: putting a key twice raises its version once.
/// A put after a delete in the same transaction creates the key anew; a delete of a key that the
/// transaction created leaves no trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Sets a key.
    Put {
        /// The key.
        key: Key,
        /// Its new value.
        value: Value,
        /// The lease to attach it to; `None` detaches.
        lease: Option<LeaseId>,
    },
    /// Removes a key; nothing happens when it is absent.
    Delete {
        /// The key.
        key: Key,
    },
    /// Removes every key of a range.
    DeleteRange {
        /// The range.
        range: KeyRange,
    },
    /// Reads a key as the steps before left it.
    Get {
        /// The key.
        key: Key,
    },
    /// Reads the first `limit` keys of a range as the steps before left it.
    Scan {
        /// The range.
        range: KeyRange,
        /// At most this many results, at most [`SCAN_RESULTS_MAX`].
        limit: u32,
    },
}

impl Operation {
    /// A put without a lease.
    pub fn put(key: Key, value: Value) -> Self {
        Self::Put { key, value, lease: None }
    }

    /// The bytes that a transaction's limit counts.
    pub fn len_bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.as_bytes().len() + value.len(),
            Self::Delete { key } | Self::Get { key } => key.as_bytes().len(),
            Self::DeleteRange { range } | Self::Scan { range, .. } => {
                range.start.len() + range.end.as_ref().map_or(0, |end| end.len())
            }
        }
    }
}

/// What one [`Operation`] answered, in the same position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationResult {
    /// The key was set.
    Put {
        /// Its version now.
        version: u64,
        /// The revision at which it came into being.
        create_revision: Revision,
    },
    /// Keys were removed.
    Deleted {
        /// How many existed.
        count: u64,
    },
    /// The key's state.
    Get(Option<KeyValue>),
    /// The range's first keys.
    Scan {
        /// In key order, at most [`SCAN_RESULTS_MAX`].
        #[serde(with = "entries_bound")]
        entries: Vec<KeyValue>,
        /// Whether the range holds more.
        more: bool,
    },
}

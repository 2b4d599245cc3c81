//! The steps of a transaction and what each answers.

use serde::{Deserialize, Serialize};

use crate::codec::bounded::bounded_by;
use crate::{
    AtomicOperation, InvalidRequest, Key, KeyRange, KeyValue, LeaseId, Revision, SCAN_RESULTS_MAX,
    StampPosition, Value,
};

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
    /// Works a key's new value out from the one it has. A put that keeps the key's lease, or a
    /// delete for [`AtomicOperation::CompareAndClear`], and answered as that.
    Atomic {
        /// The key.
        key: Key,
        /// What becomes of it.
        operation: AtomicOperation,
    },
    /// Sets a key, with the [`crate::Versionstamp`] of this transaction in the key or the value.
    PutVersionstamped {
        /// The key, perhaps with the placeholder.
        key: Key,
        /// Its new value, perhaps with the placeholder.
        value: Value,
        /// Where the placeholder is.
        position: StampPosition,
        /// The lease to attach it to; `None` detaches.
        lease: Option<LeaseId>,
    },
    /// Sets a key that goes away by itself, unless it is changed before: it gets a lease of its
    /// own, which ends with its next change.
    PutTtl {
        /// The key.
        key: Key,
        /// Its new value.
        value: Value,
        /// How long it lives, in milliseconds, within [`crate::LEASE_TTL_MS_MIN`] and
        /// [`crate::LEASE_TTL_MS_MAX`].
        ttl_ms: u64,
    },
}

impl Operation {
    /// A put without a lease.
    pub fn put(key: Key, value: Value) -> Self {
        Self::Put { key, value, lease: None }
    }

    /// Checks the step's own limits.
    ///
    /// # Errors
    /// Names what is wrong.
    pub(super) fn validate(&self) -> Result<(), InvalidRequest> {
        match self {
            Self::Scan { limit, .. } if *limit > SCAN_RESULTS_MAX => {
                let (most, limit) = (SCAN_RESULTS_MAX as usize, *limit as usize);
                Err(InvalidRequest::limit("SCAN_RESULTS_MAX", most, limit))
            }
            Self::Put { lease: Some(lease), .. } => lease.validate(),
            Self::PutVersionstamped { key, value, position, lease } => {
                position.validate(key, value)?;
                lease.map_or(Ok(()), |lease| lease.validate())
            }
            Self::PutTtl { ttl_ms, .. } => crate::validate_ttl(*ttl_ms),
            _ => Ok(()),
        }
    }

    /// Whether the step can leave more data behind than it found.
    pub fn stores(&self) -> bool {
        match self {
            Self::Put { .. } | Self::PutVersionstamped { .. } | Self::PutTtl { .. } => true,
            Self::Atomic { operation, .. } => {
                !matches!(operation, AtomicOperation::CompareAndClear(_))
            }
            Self::Delete { .. } | Self::DeleteRange { .. } => false,
            Self::Get { .. } | Self::Scan { .. } => false,
        }
    }

    /// The bytes that a transaction's limit counts.
    pub fn len_bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. }
            | Self::PutVersionstamped { key, value, .. }
            | Self::PutTtl { key, value, .. } => key.as_bytes().len() + value.len(),
            Self::Atomic { key, operation } => key.as_bytes().len() + operation.operand().len(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn atomic(kind: fn(Value) -> AtomicOperation) -> Operation {
        let (key, operand) = (Key::try_from("key").unwrap(), Value::try_from("operand").unwrap());
        Operation::Atomic { key, operation: kind(operand) }
    }

    #[test]
    fn what_can_leave_more_behind_stores() {
        let (key, value) = (Key::try_from("key").unwrap(), Value::try_from("value").unwrap());
        let position = StampPosition::Value(0);
        let (lease, range) = (None, KeyRange::all());
        for (operation, stores, len_bytes) in [
            (Operation::put(key.clone(), value.clone()), true, 8),
            (Operation::PutVersionstamped { key: key.clone(), value, position, lease }, true, 8),
            (atomic(AtomicOperation::AppendIfFits), true, 10),
            (atomic(AtomicOperation::CompareAndClear), false, 10),
            (Operation::Delete { key: key.clone() }, false, 3),
            (Operation::Get { key }, false, 3),
            (Operation::DeleteRange { range: range.clone() }, false, 0),
            (Operation::Scan { range, limit: 1 }, false, 0),
        ] {
            assert_eq!((operation.stores(), operation.len_bytes()), (stores, len_bytes));
        }
    }
}

//! What is to be done with one key.

use aspen_core::{AtomicEffect, AtomicOperation, Key, LeaseId, Operation, Value};

use super::Seen;

/// How long a key that was put stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until it is changed.
    Unbounded,
    /// At most as long as the lease.
    Lease(LeaseId),
    /// At most so many milliseconds after the commit.
    TtlMs(u64),
}

impl Life {
    /// The put that gives a key this life.
    fn put(self, key: Key, value: Value) -> Operation {
        match self {
            Self::Unbounded => Operation::Put { key, value, lease: None },
            Self::Lease(lease) => Operation::Put { key, value, lease: Some(lease) },
            Self::TtlMs(ttl_ms) => Operation::PutTtl { key, value, ttl_ms },
        }
    }
}

/// What is to be done with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pending {
    /// Set it.
    Put {
        value: Value,
        life: Life,
        /// Delete it first, so that it is created anew.
        anew: bool,
    },
    /// Remove it.
    Delete,
    /// Apply these to what is stored.
    Atomic(Vec<AtomicOperation>),
    /// Run these, one of which writes a versionstamp into the value.
    Unreadable(Vec<Operation>),
}

impl Pending {
    /// Whether the key is deleted on the way.
    pub(super) fn deletes(&self) -> bool {
        match self {
            Self::Put { anew, .. } => *anew,
            Self::Delete => true,
            Self::Atomic(_) => false,
            Self::Unreadable(operations) => {
                operations.iter().any(|operation| matches!(operation, Operation::Delete { .. }))
            }
        }
    }

    /// The same followed by an atomic operation; `None` when nothing is left to do.
    pub(super) fn then_atomic(
        self,
        key: Key,
        operation: AtomicOperation,
        cleared: bool,
    ) -> Option<Self> {
        match self {
            Self::Put { value, life, anew } => match operation.effect(Some(&value)) {
                AtomicEffect::Put(value) => Some(Self::Put { value, life, anew }),
                AtomicEffect::Delete => (!cleared).then_some(Self::Delete),
                AtomicEffect::Unchanged => Some(Self::Put { value, life, anew }),
            },
            Self::Delete => Some(match operation.apply(None) {
                Some(value) => Self::Put { value, life: Life::Unbounded, anew: true },
                None => Self::Delete,
            }),
            Self::Atomic(mut operations) => {
                operations.push(operation);
                Some(Self::Atomic(operations))
            }
            Self::Unreadable(mut operations) => {
                operations.push(Operation::Atomic { key, operation });
                Some(Self::Unreadable(operations))
            }
        }
    }

    /// What a reader of the key sees.
    pub(super) fn seen(&self) -> Seen {
        match self {
            Self::Put { value, .. } => Seen::Known(Some(value.clone())),
            Self::Delete => Seen::Known(None),
            Self::Atomic(operations) => Seen::Atomic(operations.clone()),
            Self::Unreadable(_) => Seen::Unreadable,
        }
    }

    /// The key's value given the stored one; `None` also while it is unreadable, which a caller has
    /// ruled out.
    pub(crate) fn value_over(&self, stored: Option<Value>) -> Option<Value> {
        match self {
            Self::Put { value, .. } => Some(value.clone()),
            Self::Delete | Self::Unreadable(_) => None,
            Self::Atomic(operations) => {
                operations.iter().fold(stored, |value, operation| operation.apply(value))
            }
        }
    }

    /// Whether the key's value does not follow from what is stored.
    pub(crate) fn is_independent(&self) -> bool {
        !matches!(self, Self::Atomic(_))
    }

    /// How many operations it is.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Put { anew, .. } => 1 + usize::from(*anew),
            Self::Delete => 1,
            Self::Atomic(operations) => operations.len(),
            Self::Unreadable(operations) => operations.len(),
        }
    }

    /// How many bytes they count.
    pub(super) fn len_bytes(&self, key: &Key) -> usize {
        let keys = self.len() * key.as_bytes().len();
        match self {
            Self::Put { value, .. } => keys + value.len(),
            Self::Delete => keys,
            Self::Atomic(operations) => {
                keys + operations.iter().map(|it| it.operand().len()).sum::<usize>()
            }
            Self::Unreadable(operations) => operations.iter().map(Operation::len_bytes).sum(),
        }
    }

    /// The operations, in order.
    pub(super) fn operations(&self, key: &Key) -> Vec<Operation> {
        let delete = || Operation::Delete { key: key.clone() };
        match self {
            Self::Put { value, life, anew } => {
                let put = life.put(key.clone(), value.clone());
                anew.then(delete).into_iter().chain([put]).collect()
            }
            Self::Delete => vec![delete()],
            Self::Atomic(operations) => {
                let atomic = |operation: &AtomicOperation| Operation::Atomic {
                    key: key.clone(),
                    operation: operation.clone(),
                };
                operations.iter().map(atomic).collect()
            }
            Self::Unreadable(operations) => operations.clone(),
        }
    }
}

//! The usual shapes of a write, each a constructor of one [`Transaction`].

use serde::{Deserialize, Serialize};

use crate::codec::bounded::bounded_by;
use crate::{
    Compare, InvalidRequest, Key, KeyRange, Operation, ReadConflict, Revision,
    TRANSACTION_OPERATIONS_MAX, Transaction, Value,
};

bounded_by!(steps_bound, TRANSACTION_OPERATIONS_MAX);

/// A write as its user names it. [`WriteCommand::into_transaction`] reduces every shape to the one
/// replicated form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteCommand {
    /// Sets one key.
    Set {
        /// The key.
        key: Key,
        /// Its new value.
        value: Value,
    },
    /// Sets several keys, all or none.
    SetMulti {
        /// Keys and values.
        #[serde(with = "steps_bound")]
        pairs: Vec<(Key, Value)>,
    },
    /// Removes one key.
    Delete {
        /// The key.
        key: Key,
    },
    /// Removes several keys, all or none.
    DeleteMulti {
        /// The keys.
        #[serde(with = "steps_bound")]
        keys: Vec<Key>,
    },
    /// Removes every key of a range.
    DeleteRange {
        /// The range.
        range: KeyRange,
    },
    /// Sets a key if it holds what is expected; otherwise reads it.
    CompareAndSwap {
        /// The key.
        key: Key,
        /// The value it must hold; `None`: it must be absent.
        expected: Option<Value>,
        /// Its new value.
        value: Value,
    },
    /// Removes a key if it holds what is expected; otherwise reads it.
    CompareAndDelete {
        /// The key.
        key: Key,
        /// The value it must hold.
        expected: Value,
    },
    /// Runs operations in order, all or none.
    Batch {
        /// The operations.
        #[serde(with = "steps_bound")]
        operations: Vec<Operation>,
    },
    /// Runs operations if every condition holds.
    ConditionalBatch {
        /// The conditions.
        #[serde(with = "steps_bound")]
        conditions: Vec<Compare>,
        /// The operations.
        #[serde(with = "steps_bound")]
        operations: Vec<Operation>,
    },
    /// Runs operations if nothing that was read has changed; otherwise a conflict error.
    OptimisticTransaction {
        /// Keys read, with their `mod_revision` (0: absent).
        #[serde(with = "steps_bound")]
        reads: Vec<(Key, Revision)>,
        /// Ranges read, with the revision at which they were read.
        #[serde(with = "steps_bound")]
        range_reads: Vec<(KeyRange, Revision)>,
        /// The operations.
        #[serde(with = "steps_bound")]
        operations: Vec<Operation>,
    },
    /// etcd's compare/then/else, or any transaction.
    Transaction(Transaction),
}

impl WriteCommand {
    /// Reduces the command to the replicated form and checks its limits.
    ///
    /// # Errors
    /// Names the limit that is exceeded.
    pub fn into_transaction(self) -> Result<Transaction, InvalidRequest> {
        let transaction = self.reduce();
        transaction.validate()?;
        Ok(transaction)
    }

    fn reduce(self) -> Transaction {
        match self {
            Self::Set { key, value } => unconditional(vec![Operation::put(key, value)]),
            Self::SetMulti { pairs } => {
                unconditional(pairs.into_iter().map(|(k, v)| Operation::put(k, v)).collect())
            }
            Self::Delete { key } => unconditional(vec![Operation::Delete { key }]),
            Self::DeleteMulti { keys } => {
                unconditional(keys.into_iter().map(|key| Operation::Delete { key }).collect())
            }
            Self::DeleteRange { range } => unconditional(vec![Operation::DeleteRange { range }]),
            Self::CompareAndSwap { key, expected, value } => Transaction {
                compares: vec![expectation(key.clone(), expected)],
                success: vec![Operation::put(key.clone(), value)],
                failure: vec![Operation::Get { key }],
                ..Transaction::default()
            },
            Self::CompareAndDelete { key, expected } => Transaction {
                compares: vec![Compare::value(key.clone(), expected)],
                success: vec![Operation::Delete { key: key.clone() }],
                failure: vec![Operation::Get { key }],
                ..Transaction::default()
            },
            Self::Batch { operations } => unconditional(operations),
            Self::ConditionalBatch { conditions, operations } => {
                Transaction { compares: conditions, success: operations, ..Transaction::default() }
            }
            Self::OptimisticTransaction { reads, range_reads, operations } => Transaction {
                read_conflicts: read_conflicts(reads, range_reads),
                success: operations,
                ..Transaction::default()
            },
            Self::Transaction(transaction) => transaction,
        }
    }
}

fn unconditional(success: Vec<Operation>) -> Transaction {
    Transaction { success, ..Transaction::default() }
}

fn expectation(key: Key, expected: Option<Value>) -> Compare {
    match expected {
        Some(value) => Compare::value(key, value),
        None => Compare::absent(key),
    }
}

fn read_conflicts(
    reads: Vec<(Key, Revision)>,
    range_reads: Vec<(KeyRange, Revision)>,
) -> Vec<ReadConflict> {
    let keys = reads.into_iter().map(|(key, expected)| ReadConflict::Key { key, expected });
    let ranges = range_reads
        .into_iter()
        .map(|(range, read_revision)| ReadConflict::Range { range, read_revision });
    keys.chain(ranges).collect()
}

//! Writes, each in the shard that it touches.

use aspen_core::{
    KeyValueStore, Operation, ReadConflict, ShardId, Transaction, TransactionOutcome, WriteCommand,
    WriteError, WriteFailure,
};

use super::ShardedStore;
use crate::{Router, ShardSet};

/// How many shards one write may touch: it is one entry of one shard's log.
pub const WRITE_SHARDS_MAX: u16 = 1;

impl<S: KeyValueStore + ?Sized> ShardedStore<S> {
    pub(super) async fn routed_write(
        &self,
        command: WriteCommand,
    ) -> Result<TransactionOutcome, WriteError> {
        let transaction = command.into_transaction()?;
        let touched = touched(&self.router(), &transaction);
        let (shards, limit) = (touched.len(), WRITE_SHARDS_MAX);
        if shards > limit {
            return Err(WriteError::not_applied(WriteFailure::TooManyShards { shards, limit }));
        }
        // What touches no key can be answered by any; always the same one keeps it simple.
        let shard = touched.sole().unwrap_or_default();
        let command = WriteCommand::Transaction(transaction);
        self.routed(shard).write(command).await.map_err(|error| named(shard, error))
    }
}

/// Every shard that a transaction reads or writes in either branch.
fn touched(router: &Router, transaction: &Transaction) -> ShardSet {
    let one = |key: &aspen_core::Key| ShardSet::one(router.shard_for_key(key.as_bytes()));
    let mut shards = ShardSet::default();
    transaction.compares.iter().for_each(|compare| shards.extend(one(&compare.key)));
    for conflict in &transaction.read_conflicts {
        shards.extend(match conflict {
            ReadConflict::Key { key, .. } => one(key),
            ReadConflict::Range { range, .. } => router.shards_for_range(range),
        });
    }
    for operation in transaction.success.iter().chain(&transaction.failure) {
        shards.extend(match operation {
            // A versionstamp goes over zero bytes and begins with one, so that the key's partition
            // is the same before and after.
            Operation::Put { key, .. }
            | Operation::PutVersionstamped { key, .. }
            | Operation::PutTtl { key, .. }
            | Operation::Atomic { key, .. }
            | Operation::Delete { key }
            | Operation::Get { key } => one(key),
            Operation::DeleteRange { range } | Operation::Scan { range, .. } => {
                router.shards_for_range(range)
            }
        });
    }
    shards
}

/// The error with the shard in it, where the shard is all that is missing.
fn named(shard: ShardId, error: WriteError) -> WriteError {
    match error.failure {
        WriteFailure::Unavailable(detail) => {
            WriteError { failure: WriteFailure::ShardUnavailable { shard, detail }, ..error }
        }
        failure => WriteError { failure, ..error },
    }
}

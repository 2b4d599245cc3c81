//! What one client does, once.

use std::sync::Arc;

use aspen_core::{
    Compare, Consistency, Key, KeyRange, KeyValueStore, Operation, ReadRequest, Revision,
    ScanRequest, Value, WriteCommand,
};
use bytes::Bytes;

use super::random::Random;
use super::{Target, transaction};
use crate::args::bench::{BenchArgs, Workload};
use crate::exit::CliError;

/// How many keys one scan covers.
const SCAN_KEYS: u64 = 100;

/// How many of a hundred operations of the mixed workload read.
const MIXED_READS_PERCENT: u64 = 80;

/// How an operation ended, when it ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It did what it should.
    Done,
    /// Another client changed the key between the read and the write.
    Conflict,
}

/// The key of a number: 16 bytes, in the order of the numbers.
pub(super) fn key(number: u64) -> Result<Key, CliError> {
    Key::new(key_bytes(number)).map_err(|error| CliError::Invalid(error.to_string()))
}

/// The bytes of [`key`].
pub(super) fn key_bytes(number: u64) -> Bytes {
    format!("k{number:015}").into()
}

/// A fresh value of the length asked for.
pub(super) fn value(random: &mut Random, args: &BenchArgs) -> Result<Value, CliError> {
    Value::new(random.bytes(args.value_bytes as usize))
        .map_err(|error| CliError::Invalid(error.to_string()))
}

/// Runs one operation of the workload.
pub(super) async fn run(
    target: &Arc<dyn Target>,
    args: &BenchArgs,
    random: &mut Random,
) -> Result<Outcome, CliError> {
    let store: &dyn KeyValueStore = &**target;
    let key = key(random.below(args.keys))?;
    match args.workload {
        // A client of the watch workload has a key of its own and runs elsewhere.
        Workload::Txn1r1w => transaction::run(target, args, random, 1).await,
        Workload::Txn10r10w => transaction::run(target, args, random, 10).await,
        Workload::Put | Workload::Load | Workload::Watch => {
            put(store, key, value(random, args)?).await
        }
        Workload::GetLinearizable => get(store, key, Consistency::Linearizable).await,
        Workload::GetStale => get(store, key, Consistency::Stale).await,
        Workload::Scan100 => scan(store, random.below(args.keys)).await,
        Workload::Cas => get_and_swap(store, key, value(random, args)?).await,
        Workload::Mixed if random.below(100) < MIXED_READS_PERCENT => {
            get(store, key, Consistency::Linearizable).await
        }
        Workload::Mixed => put(store, key, value(random, args)?).await,
    }
}

async fn put(store: &dyn KeyValueStore, key: Key, value: Value) -> Result<Outcome, CliError> {
    store.set(key, value).await?;
    Ok(Outcome::Done)
}

async fn get(
    store: &dyn KeyValueStore,
    key: Key,
    consistency: Consistency,
) -> Result<Outcome, CliError> {
    store.read(ReadRequest { keys: vec![key], consistency }).await?;
    Ok(Outcome::Done)
}

async fn scan(store: &dyn KeyValueStore, start: u64) -> Result<Outcome, CliError> {
    let range = KeyRange::half_open(key_bytes(start), key_bytes(start + SCAN_KEYS));
    store.scan(ScanRequest { limit: SCAN_KEYS as u32, ..ScanRequest::new(range) }).await?;
    Ok(Outcome::Done)
}

/// What an etcd user does: read, then put if the key's revision is still the same.
async fn get_and_swap(
    store: &dyn KeyValueStore,
    key: Key,
    value: Value,
) -> Result<Outcome, CliError> {
    let revision = store.get(key.clone()).await?.map_or(Revision::ZERO, |kv| kv.mod_revision);
    let command = WriteCommand::ConditionalBatch {
        conditions: vec![Compare::mod_revision(key.clone(), revision)],
        operations: vec![Operation::put(key, value)],
    };
    let outcome = store.write(command).await?;
    Ok(if outcome.succeeded { Outcome::Done } else { Outcome::Conflict })
}

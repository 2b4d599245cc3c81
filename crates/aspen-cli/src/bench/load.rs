//! Filling the store with the keys that a workload needs.

use std::collections::VecDeque;
use std::sync::Arc;

use aspen_core::{KeyRange, Projection, ScanRequest, WriteError, runtime};

use super::Target;
use super::measure::Measured;
use super::operation::{key, key_bytes, value};
use super::random::Random;
use crate::args::bench::BenchArgs;
use crate::exit::CliError;

/// How many bytes of values one batch aims at.
const BATCH_BYTES: u64 = 128 * 1024;

/// How many batches are in flight.
const IN_FLIGHT_MAX: usize = 8;

/// Loads the keys that the store lacks at the end of the sequence.
pub(super) async fn load_missing(
    store: &Arc<dyn Target>,
    args: &BenchArgs,
) -> Result<(), CliError> {
    let range = KeyRange::half_open(key_bytes(0), key_bytes(args.keys));
    let count = ScanRequest { projection: Projection::CountOnly, ..ScanRequest::new(range) };
    let present = store.scan(count).await?.count;
    if present < args.keys {
        eprintln!("aspen: loading {} keys", args.keys);
        load(store, args, 0).await?;
    }
    Ok(())
}

/// Sets every key from number `first` on. An operation is one key, a latency one batch's.
pub(super) async fn load(
    store: &Arc<dyn Target>,
    args: &BenchArgs,
    first: u64,
) -> Result<Measured, CliError> {
    let batch_keys = (BATCH_BYTES / u64::from(args.value_bytes.max(64))).clamp(1, 1_000);
    let (mut random, mut measured) = (Random::new(), Measured::new());
    let started = runtime::now();
    let mut running = VecDeque::new();
    let mut next = first;
    while next < args.keys || !running.is_empty() {
        if next < args.keys && running.len() < IN_FLIGHT_MAX {
            let end = (next + batch_keys).min(args.keys);
            running.push_back((end - next, start(store, next..end, &mut random, args)?));
            next = end;
        } else if let Some((keys, task)) = running.pop_front() {
            let (result, micros) =
                task.await.map_err(|error| CliError::Failed(error.to_string()))?;
            result?;
            measured.record(micros, keys);
        }
    }
    measured.elapsed = runtime::now().duration_since(started);
    Ok(measured)
}

type Batch = runtime::JoinHandle<(Result<(), WriteError>, u64)>;

fn start(
    store: &Arc<dyn Target>,
    numbers: std::ops::Range<u64>,
    random: &mut Random,
    args: &BenchArgs,
) -> Result<Batch, CliError> {
    let pairs = numbers
        .map(|number| Ok((key(number)?, value(random, args)?)))
        .collect::<Result<Vec<_>, CliError>>()?;
    let store = store.clone();
    Ok(runtime::spawn(async move {
        let started = runtime::now();
        let result = crate::import::set_all(&*store, pairs).await;
        (result, super::measure::micros_since(started))
    }))
}

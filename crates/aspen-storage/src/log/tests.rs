//! Tests of the stores through their public face, on files and on a disk that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod basics;
mod bit_flips;
mod corruption;
mod crash;
mod equivalence;
mod fault_disk;
mod io_errors;
mod model;
mod rows;
mod sharing;
mod torn;
mod workload;

use std::sync::Arc;

use aspen_core::{GroupId, LogIndex};
use bytes::Bytes;

use super::{GroupLog, LogOptions, LogRecord, RedbLogStore};
use fault_disk::FaultDisk;

pub(super) fn record(index: u64, payload: impl Into<Bytes>) -> LogRecord {
    LogRecord { index: LogIndex::new(index), payload: payload.into() }
}

/// Records of a half-open range whose payloads name their position.
pub(super) fn records(range: std::ops::Range<u64>) -> Vec<LogRecord> {
    range.map(|index| record(index, format!("entry {index}"))).collect()
}

pub(super) fn options() -> LogOptions {
    LogOptions { cache_bytes: 1 << 20, ..LogOptions::default() }
}

pub(super) fn open(disk: &Arc<FaultDisk>) -> Arc<RedbLogStore> {
    RedbLogStore::open_on(Arc::clone(disk), options()).unwrap()
}

pub(super) fn group(raw: u32) -> GroupId {
    GroupId::from_raw(raw)
}

/// Every entry of a log.
pub(super) async fn read_all(log: &Arc<dyn GroupLog>) -> Vec<LogRecord> {
    let from = log.state().purged.map_or(0, |(upto, _)| upto.get() + 1);
    log.read(from..u64::MAX, usize::MAX).await.unwrap()
}

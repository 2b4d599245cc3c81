//! A log in memory, the double of [`RedbLogStore`](super::RedbLogStore) in tests.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use aspen_core::{GroupId, LogIndex};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use super::plan::RECORD_BYTES_MAX;
use super::{GroupLog, LogError, LogRecord, LogState};

/// The logs of all groups of a node in memory: the same contract as
/// [`RedbLogStore`](super::RedbLogStore), durable for as long as the store is kept.
#[derive(Debug, Default)]
pub struct MemoryLogStore {
    groups: Mutex<BTreeMap<GroupId, Arc<MemoryGroupLog>>>,
}

impl MemoryLogStore {
    /// An empty store.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The group's log; handles of one group share it.
    pub fn group(&self, id: GroupId) -> Arc<dyn GroupLog> {
        Arc::clone(self.groups.lock().entry(id).or_default()) as Arc<dyn GroupLog>
    }
}

#[derive(Debug, Default)]
struct MemoryGroupLog {
    log: Mutex<MemoryLog>,
}

#[derive(Debug, Default)]
struct MemoryLog {
    entries: BTreeMap<u64, Bytes>,
    purged: Option<(LogIndex, Bytes)>,
    vote: Option<Bytes>,
    committed: Option<Bytes>,
}

impl MemoryLog {
    fn purged_upto(&self) -> Option<u64> {
        self.purged.as_ref().map(|(upto, _)| upto.get())
    }

    fn append(&mut self, records: Vec<LogRecord>) -> Result<(), LogError> {
        let last = self.entries.last_key_value().map(|(&index, _)| index);
        let mut next = last.or(self.purged_upto()).map(|index| index + 1);
        for record in &records {
            let index = record.index.get();
            if next.is_some_and(|next| next != index) || record.payload.len() > RECORD_BYTES_MAX {
                return Err(LogError::Misuse(format!("append of entry {index}, not of {next:?}")));
            }
            next = Some(index + 1);
        }
        self.entries.extend(records.into_iter().map(|record| (record.index.get(), record.payload)));
        Ok(())
    }

    fn purge(&mut self, upto: LogIndex, marker: Bytes) -> Result<(), LogError> {
        if self.purged_upto().is_some_and(|earlier| earlier > upto.get()) {
            return Ok(());
        }
        let first = self.entries.first_key_value().map(|(&first, _)| first);
        if first.is_some_and(|first| upto.get() + 1 < first) {
            return Err(LogError::Misuse(format!("purge up to {upto} leaves a gap")));
        }
        self.entries.retain(|&index, _| index > upto.get());
        self.purged = Some((upto, marker));
        Ok(())
    }
}

#[async_trait]
impl GroupLog for MemoryGroupLog {
    fn state(&self) -> LogState {
        let log = self.log.lock();
        LogState {
            last: log.entries.last_key_value().map(|(&index, _)| LogIndex::new(index)),
            purged: log.purged.clone(),
            len_bytes: log.entries.values().map(|payload| payload.len() as u64).sum(),
        }
    }

    async fn append(&self, records: Vec<LogRecord>) -> Result<(), LogError> {
        self.log.lock().append(records)
    }

    async fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<LogRecord>, LogError> {
        let log = self.log.lock();
        if range.is_empty() {
            return Ok(Vec::new());
        }
        if log.purged_upto().is_some_and(|upto| range.start <= upto) {
            return Err(LogError::Misuse(format!("entry {} was purged", range.start)));
        }
        let mut records: Vec<LogRecord> = Vec::new();
        let mut bytes = 0;
        for (&index, payload) in log.entries.range(range) {
            bytes += payload.len();
            if bytes > bytes_max && !records.is_empty() {
                break;
            }
            records.push(LogRecord { index: LogIndex::new(index), payload: payload.clone() });
        }
        Ok(records)
    }

    async fn truncate(&self, from: LogIndex) -> Result<(), LogError> {
        let mut log = self.log.lock();
        if log.purged_upto().is_some_and(|upto| from.get() <= upto) {
            return Err(LogError::Misuse(format!("truncate from {from}, which was purged")));
        }
        log.entries.split_off(&from.get());
        Ok(())
    }

    async fn purge(&self, upto: LogIndex, marker: Bytes) -> Result<(), LogError> {
        self.log.lock().purge(upto, marker)
    }

    async fn save_vote(&self, vote: Bytes) -> Result<(), LogError> {
        self.log.lock().vote = Some(vote);
        Ok(())
    }

    fn vote(&self) -> Option<Bytes> {
        self.log.lock().vote.clone()
    }

    async fn save_committed(&self, committed: Option<Bytes>) -> Result<(), LogError> {
        self.log.lock().committed = committed;
        Ok(())
    }

    fn committed(&self) -> Option<Bytes> {
        self.log.lock().committed.clone()
    }
}

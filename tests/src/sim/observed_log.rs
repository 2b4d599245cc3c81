//! A group's log whose every step the oracle sees.

use std::ops::Range;
use std::sync::Arc;

use aspen_core::LogIndex;
use aspen_storage::log::Completion;
use aspen_storage::{GroupLog, LogError, LogRecord, LogState, StateMachine};
use async_trait::async_trait;
use bytes::Bytes;

use super::oracle::{Found, LogId, Oracle, Replica, Vote};
use super::trace;

/// The log of one replica.
pub(crate) struct ObservedLog {
    inner: Arc<dyn GroupLog>,
    /// Its state, which says how far the log may be purged.
    state: Arc<dyn StateMachine>,
    replica: Replica,
    oracle: Arc<Oracle>,
}

impl ObservedLog {
    /// Shows the oracle what a log that was just opened holds, and from then on all that it does.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn open(
        inner: Arc<dyn GroupLog>,
        state: Arc<dyn StateMachine>,
        replica: Replica,
        oracle: Arc<Oracle>,
    ) -> Result<Arc<Self>, LogError> {
        let found = found(&*inner).await?;
        let vote = inner.vote().map(|vote| Vote::read(&vote));
        oracle.log_opened(replica, &found, vote);
        Ok(Arc::new(Self { inner, state, replica, oracle }))
    }
}

async fn found(log: &dyn GroupLog) -> Result<Found, LogError> {
    let state = log.state();
    let first = state.purged.as_ref().map_or(0, |(index, _)| index.get() + 1);
    let end = state.last.map_or(first, |last| last.get() + 1);
    let records = log.read(first..end, usize::MAX).await?;
    let purged = state.purged.map(|(_, marker)| LogId::read(&marker));
    Ok(Found { purged, entries: records.iter().map(digest).collect() })
}

fn digest(record: &LogRecord) -> (LogId, u64) {
    (LogId::read(&record.payload), trace::hash_bytes(&record.payload))
}

fn appended(oracle: &Oracle, replica: Replica, entries: &[(LogId, u64)]) {
    oracle.appended(replica, entries);
    let place = replica.node.get() << 32 | u64::from(replica.group.get());
    for (id, digest) in entries {
        trace::record("appended", [place, id.term, id.index, *digest]);
    }
}

#[async_trait]
impl GroupLog for ObservedLog {
    fn state(&self) -> LogState {
        self.inner.state()
    }

    async fn append(&self, records: Vec<LogRecord>) -> Result<(), LogError> {
        let entries: Vec<(LogId, u64)> = records.iter().map(digest).collect();
        self.inner.append(records).await?;
        appended(&self.oracle, self.replica, &entries);
        Ok(())
    }

    async fn append_begin(&self, records: Vec<LogRecord>, completion: Completion) {
        let entries: Vec<(LogId, u64)> = records.iter().map(digest).collect();
        let (oracle, replica) = (self.oracle.clone(), self.replica);
        oracle.append_begins(replica);
        let seen: Completion = Box::new(move |outcome| {
            if outcome.is_ok() {
                oracle.append_ends(replica);
                appended(&oracle, replica, &entries);
            }
            completion(outcome);
        });
        self.inner.append_begin(records, seen).await;
    }

    async fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<LogRecord>, LogError> {
        self.inner.read(range, bytes_max).await
    }

    async fn truncate(&self, from: LogIndex) -> Result<(), LogError> {
        self.oracle.truncates(self.replica, from.get());
        self.inner.truncate(from).await?;
        self.oracle.truncated(self.replica);
        Ok(())
    }

    async fn purge(&self, upto: LogIndex, marker: Bytes) -> Result<(), LogError> {
        let flushed = self.state.flushed().position.map(|position| position.index.get());
        self.oracle.purges(self.replica, LogId::read(&marker), flushed);
        self.inner.purge(upto, marker).await
    }

    async fn save_vote(&self, vote: Bytes) -> Result<(), LogError> {
        let seen = Vote::read(&vote);
        self.inner.save_vote(vote).await?;
        self.oracle.voted(self.replica, seen);
        Ok(())
    }

    fn vote(&self) -> Option<Bytes> {
        self.inner.vote()
    }

    async fn save_committed(&self, committed: Option<Bytes>) -> Result<(), LogError> {
        self.inner.save_committed(committed).await
    }

    fn committed(&self) -> Option<Bytes> {
        self.inner.committed()
    }
}

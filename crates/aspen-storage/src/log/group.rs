//! One group's handle on a [`RedbLogStore`](super::RedbLogStore).

use std::ops::Range;
use std::sync::Arc;

use aspen_core::{LogIndex, runtime};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use super::core::{Core, closed};
use super::request::{CompletionGuard, Done, Group, Request, Write};
use super::slots::Slot;
use super::{Completion, GroupLog, LogError, LogRecord, LogState};

/// One group's view of the node's log.
pub(super) struct RedbGroupLog {
    pub(super) core: Arc<Core>,
    pub(super) group: Arc<Group>,
    pub(super) sender: Sender<Request>,
}

/// Sends a request to the writer and waits for its answer.
pub(super) async fn ask(
    sender: &Sender<Request>,
    request: impl FnOnce(Done) -> Request,
) -> Result<(), LogError> {
    let (done, answer) = oneshot::channel();
    sender.send(request(Done::Waiter(done))).await.map_err(|_| closed())?;
    answer.await.map_err(|_| LogError::Stopped("the log's writer has ended".to_owned()))?
}

impl RedbGroupLog {
    async fn write(&self, write: Write) -> Result<(), LogError> {
        self.core.stopped()?;
        let group = Arc::clone(&self.group);
        ask(&self.sender, |done| Request::Write { group, write, done }).await
    }

    /// Entries may be truncated or purged between the look at the view and the read of their rows;
    /// only a row that the view still names is missed.
    fn explain(&self, error: LogError, slots: &[(u64, Slot)]) -> LogError {
        let view = self.group.view.lock();
        let named =
            |&(index, slot): &(u64, Slot)| view.slots.from(index).next() == Some((index, slot));
        if slots.iter().all(named) {
            return error;
        }
        LogError::Misuse("the range was purged or truncated while it was read".to_owned())
    }
}

#[async_trait]
impl GroupLog for RedbGroupLog {
    fn state(&self) -> LogState {
        self.group.view.lock().state()
    }

    async fn append(&self, records: Vec<LogRecord>) -> Result<(), LogError> {
        if records.is_empty() {
            return Ok(());
        }
        self.write(Write::Append(records)).await
    }

    async fn append_begin(&self, records: Vec<LogRecord>, completion: Completion) {
        let (group, write) = (Arc::clone(&self.group), Write::Append(records));
        let done = Done::Completion(CompletionGuard::new(completion));
        // A writer that has ended drops the request, which completes it.
        let _ = self.sender.send(Request::Write { group, write, done }).await;
    }

    async fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<LogRecord>, LogError> {
        let slots = self.group.view.lock().slots_of(&range, bytes_max)?;
        if slots.is_empty() {
            return Ok(Vec::new());
        }
        let (core, group) = (Arc::clone(&self.core), self.group.id);
        let (slots, read) = runtime::spawn_blocking(move || {
            let read = core.read(group, &slots);
            (slots, read)
        })
        .await
        .map_err(|error| LogError::Corrupt(format!("reading the file failed: {error}")))?;
        read.map_err(|error| self.explain(error, &slots))
    }

    async fn truncate(&self, from: LogIndex) -> Result<(), LogError> {
        self.write(Write::Truncate(from)).await
    }

    async fn purge(&self, upto: LogIndex, marker: Bytes) -> Result<(), LogError> {
        self.core.stopped()?;
        {
            // Marked before any row can be swept: a commit that takes the rows then waits for the
            // view's lock and finds the marker, and writes both.
            let mut view = self.group.view.lock();
            self.core.mark_unsaved(self.group.id);
            let mut sweep = self.core.sweep.lock();
            view.purge(upto, marker, |row| sweep.add(row))?;
        }
        self.core.wake();
        Ok(())
    }

    async fn save_vote(&self, vote: Bytes) -> Result<(), LogError> {
        if runtime::planted("vote-not-persisted") {
            self.group.view.lock().vote = Some(vote);
            return Ok(());
        }
        self.write(Write::Vote(vote)).await
    }

    fn vote(&self) -> Option<Bytes> {
        self.group.view.lock().vote.clone()
    }

    async fn save_committed(&self, committed: Option<Bytes>) -> Result<(), LogError> {
        self.core.stopped()?;
        self.group.view.lock().committed = committed;
        self.core.mark_committed(self.group.id);
        Ok(())
    }

    fn committed(&self) -> Option<Bytes> {
        self.group.view.lock().committed.clone()
    }
}

//! What callers ask of the writer.

use std::sync::Arc;

use aspen_core::{GroupId, LogIndex};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::header::Stamp;
use super::view::View;
use super::{Completion, LogError, LogRecord};

/// One group, shared by its handles, the writer and readers.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: GroupId,
    /// Locked for moments only, never across input or output.
    pub(super) view: Mutex<View>,
}

impl Group {
    pub(super) fn new(id: GroupId, view: View) -> Arc<Self> {
        Arc::new(Self { id, view: Mutex::new(view) })
    }
}

/// Who hears how a write went.
pub(super) enum Done {
    /// A caller that waits.
    Waiter(oneshot::Sender<Result<(), LogError>>),
    /// A caller that went on.
    Completion(CompletionGuard),
}

impl Done {
    /// Tells the outcome.
    pub(super) fn send(self, outcome: Result<(), LogError>) {
        match self {
            // A caller that stopped waiting needs no answer.
            Self::Waiter(waiter) => drop(waiter.send(outcome)),
            Self::Completion(mut guard) => guard.complete(outcome),
        }
    }
}

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Waiter(_) => "Waiter",
            Self::Completion(_) => "Completion",
        })
    }
}

/// A completion that is called in every case: also when the writer ends before it gets to it.
pub(super) struct CompletionGuard(Option<Completion>);

impl CompletionGuard {
    pub(super) fn new(completion: Completion) -> Self {
        Self(Some(completion))
    }

    fn complete(&mut self, outcome: Result<(), LogError>) {
        if let Some(completion) = self.0.take() {
            completion(outcome);
        }
    }
}

impl Drop for CompletionGuard {
    fn drop(&mut self) {
        self.complete(Err(LogError::Stopped("the log's writer has ended".to_owned())));
    }
}

/// A change of one group's log that must be durable before it is answered.
#[derive(Debug)]
pub(super) enum Write {
    Append(Vec<LogRecord>),
    Truncate(LogIndex),
    Vote(Bytes),
}

/// A message to the writer. Messages are handled in the order of their arrival.
#[derive(Debug)]
pub(super) enum Request {
    /// Change a group's log.
    Write { group: Arc<Group>, write: Write, done: Done },
    /// Bind the file to its owner.
    Stamp { stamp: Stamp, done: Done },
    /// Write what was only kept in memory: purge markers and committed positions.
    Flush { done: Done },
    /// Remove purged rows when there is nothing else to do.
    Wake,
    /// Flush, then close the file.
    Close { done: Done },
}

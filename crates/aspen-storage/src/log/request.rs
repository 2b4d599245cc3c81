//! What callers ask of the writer.

use std::sync::Arc;

use aspen_core::{GroupId, LogIndex};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::header::Stamp;
use super::view::View;
use super::{LogError, LogRecord};

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

/// Where a caller waits.
pub(super) type Done = oneshot::Sender<Result<(), LogError>>;

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

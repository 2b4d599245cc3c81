//! The reference model: what the store means, as plainly as it can be written.

mod history;
mod transaction;
mod watching;

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    Consistency, KeyValueStore, ReadError, ReadReply, ReadRequest, Rejection, Reply, Revision,
    ScanPage, ScanRequest, Transaction, TransactionOutcome, WriteCommand, WriteError,
};
use history::History;

/// A whole store in memory, with every revision it ever had.
///
/// It is the reference that other implementations are compared with, so it is written to be
/// obviously right, not fast: it keeps a list of all changes and works out every state from its
/// beginning, so that each operation costs as much as there were changes. Use it as a test double;
/// limits and errors are those of a cluster. Clones share one store.
///
/// ```
/// use aspen_core::{Key, KeyRange, KeyValueStore, MemoryStore, ScanRequest, Value, WriteCommand};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let (key, value) = (Key::try_from("colour")?, Value::try_from("green")?);
/// let created = store.set(key.clone(), value.clone()).await?;
///
/// let swap = |new: &str| -> Result<_, aspen_core::ValueTooLarge> {
///     let (key, expected) = (key.clone(), Some(value.clone()));
///     Ok(WriteCommand::CompareAndSwap { key, expected, value: Value::try_from(new)? })
/// };
/// assert!(store.write(swap("blue")?).await?.succeeded);
/// assert!(!store.write(swap("red")?).await?.succeeded, "it is blue, not green");
///
/// let entry = store.get(key).await?.expect("the key was set");
/// assert_eq!((entry.value, entry.version), (Value::try_from("blue")?, 2));
///
/// // The past stays readable until it is compacted.
/// let scan = ScanRequest {
///     consistency: aspen_core::Consistency::AtRevision(created.revision),
///     ..ScanRequest::new(KeyRange::all())
/// };
/// assert_eq!(store.scan(scan).await?.entries[0].value, value);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    history: Arc<Mutex<History>>,
    /// Wakes watches.
    moved: Arc<Notify>,
}

impl MemoryStore {
    /// An empty store at revision 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// The last change.
    pub fn revision(&self) -> Revision {
        self.history.lock().revision()
    }

    /// Runs a transaction as a group would.
    pub fn execute(&self, transaction: &Transaction) -> Reply {
        let executed = transaction::execute(&mut self.history.lock(), transaction);
        self.moved.notify_waiters();
        match executed {
            Ok(outcome) => Reply::Transaction(outcome),
            Err(rejection) => Reply::Rejected(rejection),
        }
    }

    /// Forgets history below `horizon`, as a group would; answers the horizon now in force.
    ///
    /// # Errors
    /// [`Rejection::FutureRevision`] when the store has not reached the horizon.
    pub fn compact(&self, horizon: Revision) -> Result<Revision, Rejection> {
        self.history.lock().compact(horizon)
    }
}

/// The revision that a read names; every unnamed one is the current one here.
fn requested(consistency: Consistency) -> Option<Revision> {
    match consistency {
        Consistency::AtRevision(revision) => Some(revision),
        Consistency::Linearizable | Consistency::Lease | Consistency::Stale => None,
    }
}

#[async_trait]
impl KeyValueStore for MemoryStore {
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        request.validate()?;
        self.history.lock().read(&request.keys, requested(request.consistency))
    }

    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        request.validate()?;
        self.history.lock().scan(&request, requested(request.effective_consistency()))
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        match self.execute(&command.into_transaction()?) {
            Reply::Transaction(outcome) => Ok(outcome),
            Reply::Rejected(rejection) => Err(WriteError::not_applied(rejection)),
            other => {
                let bug = crate::WriteFailure::Bug(format!("a transaction answered {other:?}"));
                Err(WriteError::not_applied(bug))
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! The reference model: what the store means, as plainly as it can be written.

mod history;
mod lease_clock;
mod leases;
mod transaction;
mod watching;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use history::History;
use lease_clock::LeaseClock;
use leases::GrantedLeases;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    Consistency, ExpiringLease, KeyValueStore, LeaseId, ReadError, ReadReply, ReadRequest,
    Rejection, Reply, Revision, ScanPage, ScanRequest, Transaction, TransactionOutcome,
    WriteCommand, WriteError,
};

/// A whole store in memory, with every revision it ever had.
///
/// It is the reference that other implementations are compared with, so it is written to be
/// obviously right, not fast: it keeps a list of all changes and works out every state from its
/// beginning, so that each operation costs as much as there were changes. Use it as a test double;
/// limits and errors are those of a cluster. Clones share one store.
///
/// Leases that are granted, and keys that are given a TTL, through the store's traits expire by the
/// clock of [`crate::runtime`], at the next use of the store. Through [`MemoryStore::execute`] and
/// [`MemoryStore::grant_lease`] it is a group without a leader: it knows no clock, and leases end
/// when they are told to.
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
    contents: Arc<Mutex<Contents>>,
    /// Wakes watches.
    moved: Arc<Notify>,
}

/// Everything in the store.
#[derive(Debug, Default)]
struct Contents {
    history: History,
    leases: GrantedLeases,
    clock: LeaseClock,
}

impl MemoryStore {
    /// An empty store at revision 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// The last change.
    pub fn revision(&self) -> Revision {
        self.contents.lock().history.revision()
    }

    /// Runs a transaction as a group would.
    pub fn execute(&self, transaction: &Transaction) -> Reply {
        let reply = self.contents.lock().execute(transaction);
        self.moved.notify_waiters();
        reply
    }

    /// Grants a lease as a group would.
    pub fn grant_lease(&self, lease: LeaseId, ttl_ms: u64) -> Reply {
        self.contents.lock().leases.grant(lease, ttl_ms).unwrap_or_else(Reply::Rejected)
    }

    /// Revokes a lease as a group would.
    pub fn revoke_lease(&self, lease: LeaseId) -> Reply {
        let reply = {
            let Contents { history, leases, .. } = &mut *self.contents.lock();
            leases.revoke(history, lease).unwrap_or_else(Reply::Rejected)
        };
        self.moved.notify_waiters();
        reply
    }

    /// Ends leases as a group would whose leader says that their time is over.
    pub fn expire_leases(&self, expiring: &[ExpiringLease]) -> Reply {
        let reply = {
            let Contents { history, leases, .. } = &mut *self.contents.lock();
            leases.expire(history, expiring)
        };
        self.moved.notify_waiters();
        reply
    }

    /// Pins a revision as a group would.
    pub fn pin_revision(&self, lease: LeaseId, revision: Option<Revision>) -> Reply {
        let Contents { history, leases, .. } = &mut *self.contents.lock();
        leases.pin(history, lease, revision).unwrap_or_else(Reply::Rejected)
    }

    /// Every revision that is pinned.
    pub fn pinned_revisions(&self) -> BTreeSet<Revision> {
        self.contents.lock().history.pinned()
    }

    /// Every lease in force, private ones included, with its TTL in milliseconds.
    pub fn granted_leases(&self) -> Vec<(ExpiringLease, u64)> {
        let contents = self.contents.lock();
        let all = contents.leases.granted.iter();
        let named = |(lease, granted): (&LeaseId, &leases::Granted)| {
            (ExpiringLease { lease: *lease, grant: granted.grant }, granted.ttl_ms)
        };
        all.map(named).collect()
    }

    /// Forgets history below `horizon`, as a group would; answers the horizon now in force.
    ///
    /// # Errors
    /// [`Rejection::FutureRevision`] when the store has not reached the horizon.
    pub fn compact(&self, horizon: Revision) -> Result<Revision, Rejection> {
        self.contents.lock().history.compact(horizon)
    }
}

impl Contents {
    fn execute(&mut self, transaction: &Transaction) -> Reply {
        match transaction::execute(&mut self.history, &mut self.leases, transaction) {
            Ok(outcome) => Reply::Transaction(outcome),
            Err(rejection) => Reply::Rejected(rejection),
        }
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
        let contents = self.up_to_date();
        contents.history.read(&request.keys, requested(request.consistency))
    }

    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        request.validate()?;
        let contents = self.up_to_date();
        contents.history.scan(&request, requested(request.effective_consistency()))
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        let transaction = command.into_transaction()?;
        let mut contents = self.up_to_date();
        let reply = contents.execute(&transaction);
        contents.start_clocks();
        drop(contents);
        self.moved.notify_waiters();
        match reply {
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

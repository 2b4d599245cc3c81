//! The way into transactions.

use std::sync::Arc;

use aspen_core::{InvalidRequest, KeyValueStore, Pins, Revision};

use crate::stored_reads::StoredReads;
use crate::{RunOptions, Snapshot, Transaction, TransactionError};

/// A store with transactions. Cheap to clone.
///
/// ```
/// use std::sync::Arc;
/// use aspen_core::{Key, MemoryStore, Value};
/// use aspen_txn::{Database, TransactionError};
///
/// /// Moves the value of a key to another one.
/// async fn rename(database: &Database, from: Key, to: Key) -> Result<bool, TransactionError> {
///     database
///         .run(|tx| {
///             let (from, to) = (from.clone(), to.clone());
///             async move {
///                 let Some(value) = tx.get(&from).await? else { return Ok(false) };
///                 tx.delete(from)?;
///                 tx.set(to, value)?;
///                 Ok(true)
///             }
///         })
///         .await
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let database = Database::new(Arc::new(MemoryStore::new()));
/// let (a, b) = (Key::try_from("a")?, Key::try_from("b")?);
/// assert!(!rename(&database, a, b).await?);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Database {
    store: Arc<dyn KeyValueStore>,
    options: RunOptions,
}

impl Database {
    /// Transactions over a store, with the default options.
    pub fn new(store: Arc<dyn KeyValueStore>) -> Self {
        Self { store, options: RunOptions::default() }
    }

    /// The same store with other options.
    ///
    /// # Errors
    /// Names the option that is beyond its limit.
    pub fn with_options(&self, options: RunOptions) -> Result<Self, InvalidRequest> {
        options.validate()?;
        Ok(Self { store: self.store.clone(), options })
    }

    /// The options in force.
    pub fn options(&self) -> &RunOptions {
        &self.options
    }

    /// The store underneath.
    pub fn store(&self) -> &Arc<dyn KeyValueStore> {
        &self.store
    }

    /// A transaction that its user commits, and runs again when it conflicts.
    /// [`Database::run`] does both by itself.
    pub fn begin(&self) -> Transaction {
        Transaction::new(self.store.clone(), &self.options)
    }

    /// The store at its newest revision, for reads that may take some minutes: as long as history
    /// is kept.
    ///
    /// # Errors
    /// When the newest revision cannot be asked for.
    pub async fn snapshot(&self) -> Result<Snapshot, TransactionError> {
        let revision = StoredReads::new(self.store.clone(), None).revision().await?;
        Ok(self.snapshot_at(revision))
    }

    /// The store at its newest revision, kept readable for as long as the snapshot lives. `pins` is
    /// the same store: every store with leases has pins. Clients need the right to write for it.
    ///
    /// # Errors
    /// [`TransactionError::Pin`] when the revision cannot be pinned, for example because too many
    /// are.
    pub async fn pinned_snapshot(&self, pins: Arc<dyn Pins>) -> Result<Snapshot, TransactionError> {
        Snapshot::pinned(self.store.clone(), pins, None).await
    }

    /// The same at a revision learnt from a transaction or another snapshot, which must still be
    /// readable.
    ///
    /// # Errors
    /// [`TransactionError::Compacted`] when the revision is gone; otherwise as
    /// [`Database::pinned_snapshot`].
    pub async fn pinned_snapshot_at(
        &self,
        pins: Arc<dyn Pins>,
        revision: Revision,
    ) -> Result<Snapshot, TransactionError> {
        Snapshot::pinned(self.store.clone(), pins, Some(revision)).await
    }

    /// The store at a revision learnt from a transaction or another snapshot.
    pub fn snapshot_at(&self, revision: Revision) -> Snapshot {
        Snapshot::new(self.store.clone(), revision)
    }
}

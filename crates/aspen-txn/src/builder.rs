//! Transactions put together by hand.

use aspen_core::{
    AtomicOperation, Compare, InvalidRequest, Key, KeyRange, KeyValueStore, LeaseId, Operation,
    ReadConflict, Revision, StampPosition, Transaction, TransactionOutcome, Value, WriteCommand,
    WriteError,
};

/// Puts a transaction together from what was read and what is to be done, and runs it on any store.
///
/// Optimistic: everything given to `read`, `read_many` and `read_range` must be unchanged, or the
/// transaction fails with a conflict that names what has changed.
///
/// ```
/// use aspen_core::{Key, KeyValueStore, MemoryStore, Revision, Value};
/// use aspen_txn::TransactionBuilder;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let (stock, order) = (Key::try_from("stock")?, Key::try_from("order/1")?);
/// store.set(stock.clone(), Value::try_from("5")?).await?;
///
/// let seen = store.get(stock.clone()).await?.expect("it was set");
/// TransactionBuilder::new()
///     .read(stock.clone(), seen.mod_revision)
///     .read(order.clone(), Revision::ZERO) // must not exist
///     .set(stock, Value::try_from("4")?)
///     .set(order, Value::try_from("one piece")?)
///     .execute(&store)
///     .await?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// As in etcd: `when` all compares hold, the operations of `then` run, those of `otherwise` if one
/// does not, and the outcome says which.
///
/// ```
/// use aspen_core::{Compare, Key, MemoryStore, Operation, Value};
/// use aspen_txn::TransactionBuilder;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let store = MemoryStore::new();
/// let (lock, me) = (Key::try_from("lock")?, Value::try_from("me")?);
/// let outcome = TransactionBuilder::new()
///     .when([Compare::absent(lock.clone())])
///     .then([Operation::put(lock.clone(), me)])
///     .otherwise([Operation::Get { key: lock }])
///     .execute(&store)
///     .await?;
/// assert!(outcome.succeeded);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionBuilder {
    transaction: Transaction,
}

impl TransactionBuilder {
    /// A transaction that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key must still have this `mod_revision`; [`Revision::ZERO`]: it must not exist.
    pub fn read(mut self, key: Key, expected: Revision) -> Self {
        self.transaction.read_conflicts.push(ReadConflict::Key { key, expected });
        self
    }

    /// [`TransactionBuilder::read`] for several keys.
    pub fn read_many(self, reads: impl IntoIterator<Item = (Key, Revision)>) -> Self {
        reads.into_iter().fold(self, |builder, (key, expected)| builder.read(key, expected))
    }

    /// No key of the range may have been created, changed or deleted after this revision.
    pub fn read_range(mut self, range: KeyRange, read_revision: Revision) -> Self {
        self.transaction.read_conflicts.push(ReadConflict::Range { range, read_revision });
        self
    }

    /// Adds conditions that choose between [`TransactionBuilder::then`] and
    /// [`TransactionBuilder::otherwise`].
    pub fn when(mut self, compares: impl IntoIterator<Item = Compare>) -> Self {
        self.transaction.compares.extend(compares);
        self
    }

    /// Adds operations that run when every condition holds, or there is none.
    pub fn then(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.transaction.success.extend(operations);
        self
    }

    /// Adds operations that run when a condition does not hold.
    pub fn otherwise(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.transaction.failure.extend(operations);
        self
    }

    /// Sets a key when every condition holds, as do the operations below.
    pub fn set(self, key: Key, value: Value) -> Self {
        self.then([Operation::put(key, value)])
    }

    /// Sets a key that is removed with a lease.
    pub fn set_leased(self, key: Key, value: Value, lease: LeaseId) -> Self {
        self.then([Operation::Put { key, value, lease: Some(lease) }])
    }

    /// Sets a key that is removed by itself, `ttl_ms` milliseconds after the transaction at the
    /// earliest, unless it is set or removed before.
    pub fn set_with_ttl(self, key: Key, value: Value, ttl_ms: u64) -> Self {
        self.then([Operation::PutTtl { key, value, ttl_ms }])
    }

    /// Removes a key.
    pub fn delete(self, key: Key) -> Self {
        self.then([Operation::Delete { key }])
    }

    /// Removes every key of a range.
    pub fn delete_range(self, range: KeyRange) -> Self {
        self.then([Operation::DeleteRange { range }])
    }

    /// Changes a key by what it is.
    pub fn atomic(self, key: Key, operation: AtomicOperation) -> Self {
        self.then([Operation::Atomic { key, operation }])
    }

    /// Sets a key with the transaction's versionstamp at a position of the key or the value.
    pub fn set_versionstamped(self, key: Key, value: Value, position: StampPosition) -> Self {
        self.then([Operation::PutVersionstamped { key, value, position, lease: None }])
    }

    /// The transaction.
    ///
    /// # Errors
    /// Names the limit that it exceeds.
    pub fn build(self) -> Result<Transaction, InvalidRequest> {
        self.transaction.validate()?;
        Ok(self.transaction)
    }

    /// Runs the transaction, once.
    ///
    /// # Errors
    /// A conflict when something read has changed; otherwise as every write, with what is known of
    /// its outcome.
    pub async fn execute<S>(self, store: &S) -> Result<TransactionOutcome, WriteError>
    where
        S: KeyValueStore + ?Sized,
    {
        store.write(WriteCommand::Transaction(self.build()?)).await
    }
}

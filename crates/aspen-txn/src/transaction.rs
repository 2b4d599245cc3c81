//! A transaction as its closure sees it.

use std::sync::Arc;

use aspen_core::{
    Applied, AtomicOperation, InvalidRequest, Key, KeyRange, KeyValueStore, LeaseId, Rejection,
    Revision, StampPosition, Value, WriteCommand, WriteError, WriteFailure, validate_ttl,
};
use futures_util::stream::BoxStream;

use crate::inner::{Inner, Isolation, stream_of};
use crate::range_query::{RangePage, RangeQuery};
use crate::write_set::{Life, WriteSet};
use crate::{RunOptions, SnapshotReads, TransactionError};

/// A transaction: reads at one revision with its own writes visible, and writes that are kept until
/// the commit.
///
/// The first read is linearizable and decides the revision; the others read there. Everything that
/// was read is checked at the commit, except what follows from the transaction's own writes.
/// Clones are the same transaction; operations may run concurrently.
#[derive(Clone)]
pub struct Transaction {
    inner: Arc<Inner>,
}

impl Transaction {
    /// A transaction that has read and written nothing.
    pub(crate) fn new(store: Arc<dyn KeyValueStore>, options: &RunOptions) -> Self {
        Self { inner: Arc::new(Inner::new(store, options.age_ms_max)) }
    }

    /// Reads a key.
    ///
    /// # Errors
    /// As every read: a [`TransactionError`] that says whether running again can help.
    pub async fn get(&self, key: &Key) -> Result<Option<Value>, TransactionError> {
        self.inner.get(key, Isolation::Serializable).await
    }

    /// Reads keys with one request; one result for each, in the same order.
    ///
    /// # Errors
    /// As [`Transaction::get`]; names `READ_KEYS_MAX` or `READ_BYTES_MAX` when they are too many.
    pub async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, TransactionError> {
        self.inner.get_many(keys, Isolation::Serializable).await
    }

    /// Reads the first page of a range. The part of the range that the page covers is checked at
    /// the commit, keys that do not exist included; what lies beyond its last result is not, unless
    /// the page ends with the range.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    pub async fn get_range(
        &self,
        query: impl Into<RangeQuery>,
    ) -> Result<RangePage, TransactionError> {
        self.inner.get_range(query.into(), Isolation::Serializable).await
    }

    /// Reads a range page by page, as far as the stream is followed.
    pub fn stream(
        &self,
        query: impl Into<RangeQuery>,
    ) -> BoxStream<'static, Result<(Key, Value), TransactionError>> {
        stream_of(self.inner.clone(), query.into(), Isolation::Serializable)
    }

    /// Reads that add no conflict: they see the same revision and the same own writes, and what
    /// they found may have changed when the transaction commits.
    pub fn snapshot(&self) -> SnapshotReads {
        SnapshotReads { inner: self.inner.clone() }
    }

    /// The revision at which the transaction reads; asks for the newest one if nothing was read
    /// yet.
    ///
    /// # Errors
    /// As [`Transaction::get`].
    pub async fn read_revision(&self) -> Result<Revision, TransactionError> {
        self.inner.watch_reads(self.inner.stored().revision().await)
    }

    /// Makes the transaction conflict with every change of a key after its read revision, as if it
    /// had read the key.
    ///
    /// # Errors
    /// As [`Transaction::read_revision`].
    pub async fn add_read_conflict_key(&self, key: &Key) -> Result<(), TransactionError> {
        self.add_read_conflict_range(KeyRange::single(key)).await
    }

    /// Makes the transaction conflict with every change in a range after its read revision, as if
    /// it had read the range.
    ///
    /// # Errors
    /// As [`Transaction::read_revision`].
    pub async fn add_read_conflict_range(&self, range: KeyRange) -> Result<(), TransactionError> {
        self.inner.watch_reads(self.inner.stored().revision_of(&range).await)?;
        self.inner.open()?.reads.add_range(range);
        Ok(())
    }

    /// Sets a key; it belongs to no lease afterwards.
    ///
    /// # Errors
    /// As every write: when the transaction grows beyond its limits, which the message names, or is
    /// over.
    pub fn set(&self, key: Key, value: Value) -> Result<(), TransactionError> {
        self.write(|writes| writes.put(key, value, Life::Unbounded))
    }

    /// Sets a key that is removed with a lease.
    ///
    /// # Errors
    /// As [`Transaction::set`].
    pub fn set_leased(
        &self,
        key: Key,
        value: Value,
        lease: LeaseId,
    ) -> Result<(), TransactionError> {
        self.write(|writes| writes.put(key, value, Life::Lease(lease)))
    }

    /// Sets a key that is removed by itself, `ttl_ms` milliseconds after the commit at the
    /// earliest, unless it is set or removed before.
    ///
    /// # Errors
    /// As [`Transaction::set`]; also when the TTL is out of its limits, which the message names.
    pub fn set_with_ttl(
        &self,
        key: Key,
        value: Value,
        ttl_ms: u64,
    ) -> Result<(), TransactionError> {
        self.try_write(|writes| {
            validate_ttl(ttl_ms)?;
            writes.put(key, value, Life::TtlMs(ttl_ms));
            Ok(())
        })
    }

    /// Removes a key, if it exists.
    ///
    /// # Errors
    /// As [`Transaction::set`].
    pub fn delete(&self, key: Key) -> Result<(), TransactionError> {
        self.write(|writes| writes.delete(key))
    }

    /// Removes every key of a range, those that others add before the commit included.
    ///
    /// # Errors
    /// As [`Transaction::set`]; also when the range cuts the keys that a versionstamped key of this
    /// transaction may have.
    pub fn delete_range(&self, range: KeyRange) -> Result<(), TransactionError> {
        self.try_write(|writes| writes.delete_range(range))
    }

    /// Changes a key by what it is when the transaction commits. It reads nothing, so it conflicts
    /// with nothing, however many do the same; reading the key afterwards does.
    ///
    /// # Errors
    /// As [`Transaction::set`].
    pub fn atomic(&self, key: Key, operation: AtomicOperation) -> Result<(), TransactionError> {
        self.write(|writes| writes.atomic(key, operation))
    }

    /// Sets a key with the transaction's [`aspen_core::Versionstamp`] over the 10 zero bytes at a
    /// position of the key or the value. Until the commit nobody knows the stamp: reading the
    /// value, or where the key may be, is [`TransactionError::Unreadable`]. Keys with a stamp are
    /// written after everything else.
    ///
    /// # Errors
    /// As [`Transaction::set`]; also when the placeholder is not there.
    pub fn set_versionstamped(
        &self,
        key: Key,
        value: Value,
        position: StampPosition,
    ) -> Result<(), TransactionError> {
        self.try_write(|writes| writes.put_versionstamped(key, value, position, None))
    }

    /// [`Transaction::set_versionstamped`] for a key that is removed with a lease.
    ///
    /// # Errors
    /// As [`Transaction::set_versionstamped`].
    pub fn set_versionstamped_leased(
        &self,
        key: Key,
        value: Value,
        position: StampPosition,
        lease: LeaseId,
    ) -> Result<(), TransactionError> {
        self.try_write(|writes| writes.put_versionstamped(key, value, position, Some(lease)))
    }

    /// Commits what was written, if nothing that was read has changed; the transaction is over
    /// then, whatever comes of it. Answers the transaction's revision; `None` when it wrote
    /// nothing, for which nothing is sent: what it read was so at its read revision.
    ///
    /// [`crate::Database::run`] commits by itself and runs again on conflicts.
    ///
    /// # Errors
    /// [`TransactionError::Conflict`] names what has changed; after
    /// [`TransactionError::CommitUnknown`] the transaction may have happened.
    pub async fn commit(&self) -> Result<Option<Revision>, TransactionError> {
        let state = self.inner.finish()?;
        if state.writes.is_empty() {
            return Ok(None);
        }
        self.inner.stored().check_age()?;
        let read_revision = self.inner.stored().revision_read();
        let transaction = aspen_core::Transaction {
            read_conflicts: state.reads.conflicts(read_revision.unwrap_or(Revision::ZERO)),
            success: state.writes.operations(),
            ..aspen_core::Transaction::default()
        };
        drop(state);
        transaction.validate()?;
        let command = WriteCommand::Transaction(transaction);
        match self.inner.stored().store().write(command).await {
            Ok(outcome) => Ok(Some(outcome.revision)),
            // It happened; only results that nobody looks at here were too large to keep.
            Err(WriteError {
                failure: WriteFailure::Rejected(Rejection::ResultDropped { revision }),
                applied: Applied::Maybe,
            }) => Ok(Some(revision)),
            Err(error) => Err(TransactionError::of_write(error)),
        }
    }

    /// The last read that failed.
    pub(crate) fn failed_read(&self) -> Option<TransactionError> {
        self.inner.failed_read()
    }

    /// Ends the transaction without a commit.
    pub(crate) fn end(&self) {
        drop(self.inner.finish());
    }

    fn write(&self, change: impl FnOnce(&mut WriteSet)) -> Result<(), TransactionError> {
        self.try_write(|writes| {
            change(writes);
            Ok(())
        })
    }

    fn try_write(
        &self,
        change: impl FnOnce(&mut WriteSet) -> Result<(), InvalidRequest>,
    ) -> Result<(), TransactionError> {
        let mut state = self.inner.open()?;
        change(&mut state.writes)?;
        Ok(state.writes.check_limits()?)
    }
}

//! What the clones of a transaction share: its reads, with the pending writes laid over them.

use std::sync::Arc;

use aspen_core::{Key, KeyRange, KeyValue, KeyValueStore, Revision, Value};
use futures_util::stream::{self, BoxStream};
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};

use crate::TransactionError;
use crate::range_query::{RangePage, RangeQuery};
use crate::read_set::ReadSet;
use crate::stored_reads::StoredReads;
use crate::write_set::{Seen, WriteSet};

/// What all clones of a transaction share.
pub(crate) struct Inner {
    stored: StoredReads,
    /// `None` once the transaction is over.
    state: Mutex<Option<State>>,
    /// The last read that failed.
    failed_read: Mutex<Option<TransactionError>>,
}

/// What the commit needs.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) reads: ReadSet,
    pub(crate) writes: WriteSet,
}

/// Whether what is read is checked at the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// It is.
    Serializable,
    /// It is not.
    Snapshot,
}

impl Inner {
    /// Nothing read or written yet.
    pub(crate) fn new(store: Arc<dyn KeyValueStore>, age_ms_max: u64) -> Self {
        Self {
            stored: StoredReads::new(store, Some(age_ms_max)),
            state: Mutex::new(Some(State::default())),
            failed_read: Mutex::new(None),
        }
    }

    /// Ends the transaction; answers what it read and wrote.
    ///
    /// # Errors
    /// When it was over before.
    pub(crate) fn finish(&self) -> Result<State, TransactionError> {
        self.state.lock().take().ok_or(TransactionError::Finished)
    }

    /// The last read that failed.
    pub(crate) fn failed_read(&self) -> Option<TransactionError> {
        self.failed_read.lock().clone()
    }

    /// The reads of what is stored.
    pub(crate) fn stored(&self) -> &StoredReads {
        &self.stored
    }

    /// The state, while the transaction is not over.
    pub(crate) fn open(&self) -> Result<MappedMutexGuard<'_, State>, TransactionError> {
        MutexGuard::try_map(self.state.lock(), Option::as_mut)
            .map_err(|_| TransactionError::Finished)
    }

    /// Remembers a read that failed.
    pub(crate) fn watch_reads<T>(
        &self,
        result: Result<T, TransactionError>,
    ) -> Result<T, TransactionError> {
        if let Err(error) = &result {
            *self.failed_read.lock() = Some(error.clone());
        }
        result
    }

    pub(crate) async fn get(
        &self,
        key: &Key,
        isolation: Isolation,
    ) -> Result<Option<Value>, TransactionError> {
        let mut values = self.get_many(std::slice::from_ref(key), isolation).await?;
        Ok(values.pop().flatten())
    }

    pub(crate) async fn get_many(
        &self,
        keys: &[Key],
        isolation: Isolation,
    ) -> Result<Vec<Option<Value>>, TransactionError> {
        self.watch_reads(self.read_keys(keys, isolation).await)
    }

    pub(crate) async fn get_range(
        &self,
        query: RangeQuery,
        isolation: Isolation,
    ) -> Result<RangePage, TransactionError> {
        self.watch_reads(self.range_page(query, isolation).await)
    }

    /// Reads keys: those whose value follows from own writes at once, the others from the store.
    async fn read_keys(
        &self,
        keys: &[Key],
        isolation: Isolation,
    ) -> Result<Vec<Option<Value>>, TransactionError> {
        let has_stamped_keys = self.open()?.writes.has_stamped_keys();
        if let Some(first) = keys.first().filter(|_| has_stamped_keys) {
            self.stored.revision_of(&KeyRange::single(first)).await?;
        }
        let seen = self.seen(keys)?;
        let unknown = keys.iter().zip(&seen).filter(|(_, seen)| !matches!(seen, Seen::Known(_)));
        let unknown: Vec<Key> = unknown.map(|(key, _)| key.clone()).collect();
        let found = match unknown.is_empty() {
            true => Vec::new(),
            false => self.stored.read(unknown.clone()).await?.values,
        };
        if isolation == Isolation::Serializable {
            self.add_conflicts(unknown, &found)?;
        }
        let mut found = found.into_iter().map(|found| found.map(|entry| entry.value));
        let values = seen.into_iter().map(|seen| match seen {
            Seen::Known(value) => value,
            Seen::Atomic(operations) => {
                let stored = found.next().flatten();
                operations.iter().fold(stored, |value, operation| operation.apply(value))
            }
            Seen::Stored | Seen::Unreadable => found.next().flatten(),
        });
        Ok(values.collect())
    }

    /// What own writes say of keys.
    fn seen(&self, keys: &[Key]) -> Result<Vec<Seen>, TransactionError> {
        let state = self.open()?;
        let revision = self.stored.revision_read();
        let seen = keys.iter().map(|key| match state.writes.seen(key, revision) {
            Seen::Unreadable => Err(TransactionError::Unreadable { range: KeyRange::single(key) }),
            seen => Ok(seen),
        });
        seen.collect()
    }

    fn add_conflicts(
        &self,
        keys: Vec<Key>,
        found: &[Option<KeyValue>],
    ) -> Result<(), TransactionError> {
        let mut state = self.open()?;
        for (key, found) in keys.into_iter().zip(found) {
            let mod_revision = found.as_ref().map_or(Revision::ZERO, |entry| entry.mod_revision);
            state.reads.add_key(key, mod_revision);
        }
        Ok(())
    }
}

/// The results of a query one by one, a page at a time.
pub(crate) fn stream_of(
    inner: Arc<Inner>,
    query: RangeQuery,
    isolation: Isolation,
) -> BoxStream<'static, Result<(Key, Value), TransactionError>> {
    let pages = stream::try_unfold(Some(query), move |query| {
        let inner = inner.clone();
        async move {
            let Some(query) = query else { return Ok::<_, TransactionError>(None) };
            let page = inner.get_range(query, isolation).await?;
            Ok(Some((
                stream::iter(page.entries.into_iter().map(Ok::<_, TransactionError>)),
                page.next,
            )))
        }
    });
    Box::pin(futures_util::TryStreamExt::try_flatten(pages))
}

//! Reads of a transaction that are not checked when it commits.

use std::sync::Arc;

use aspen_core::{Key, Value};
use futures_util::stream::BoxStream;

use crate::TransactionError;
use crate::inner::{Inner, Isolation, stream_of};
use crate::range_query::{RangePage, RangeQuery};

/// Reads within a transaction that add no conflict. They weaken its isolation to what the reader
/// makes of it: take care that the writes stay right when what was read is old.
#[derive(Clone)]
pub struct SnapshotReads {
    pub(crate) inner: Arc<Inner>,
}

impl SnapshotReads {
    /// Reads a key, as [`crate::Transaction::get`].
    ///
    /// # Errors
    /// As [`crate::Transaction::get`].
    pub async fn get(&self, key: &Key) -> Result<Option<Value>, TransactionError> {
        self.inner.get(key, Isolation::Snapshot).await
    }

    /// Reads keys, as [`crate::Transaction::get_many`].
    ///
    /// # Errors
    /// As [`crate::Transaction::get_many`].
    pub async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, TransactionError> {
        self.inner.get_many(keys, Isolation::Snapshot).await
    }

    /// Reads the first page of a range, as [`crate::Transaction::get_range`].
    ///
    /// # Errors
    /// As [`crate::Transaction::get_range`].
    pub async fn get_range(
        &self,
        query: impl Into<RangeQuery>,
    ) -> Result<RangePage, TransactionError> {
        self.inner.get_range(query.into(), Isolation::Snapshot).await
    }

    /// Reads a range page by page, as [`crate::Transaction::stream`].
    pub fn stream(
        &self,
        query: impl Into<RangeQuery>,
    ) -> BoxStream<'static, Result<(Key, Value), TransactionError>> {
        stream_of(self.inner.clone(), query.into(), Isolation::Snapshot)
    }
}

//! Reads of one revision, without a transaction.

use std::sync::Arc;

use aspen_core::{
    Key, KeyRange, KeyValue, KeyValueStore, Pins, Revision, ScanOrder, ScanPage, ScanRequest,
};
use futures_util::stream::{self, BoxStream};

use crate::TransactionError;
use crate::pin::Pin;
use crate::range_query::{RangePage, RangeQuery};
use crate::stored_reads::StoredReads;

/// The store at one revision, for reads that take longer than a transaction may.
///
/// One from [`Database::snapshot`](crate::Database::snapshot) holds nothing on the servers: the
/// revision stays readable for as long as the group keeps its history (5 minutes by default). One
/// from [`Database::pinned_snapshot`](crate::Database::pinned_snapshot) stays readable until it is
/// released or dropped with all its clones and streams, however far compaction goes, unless nobody
/// can be reached for [`SNAPSHOT_LEASE_TTL_MS`](crate::SNAPSHOT_LEASE_TTL_MS).
///
/// Once the revision is gone every read is [`TransactionError::Compacted`], also in the midst of a
/// stream; nothing is ever left out silently. Take a new snapshot and begin again then.
#[derive(Clone)]
pub struct Snapshot {
    stored: Arc<StoredReads>,
    revision: Revision,
    /// What keeps the revision readable.
    pin: Option<Arc<Pin>>,
}

impl Snapshot {
    pub(crate) fn new(store: Arc<dyn KeyValueStore>, revision: Revision) -> Self {
        Self { stored: Arc::new(StoredReads::at(store, revision)), revision, pin: None }
    }

    /// Pins a revision, the newest unless one is named, and reads at it.
    pub(crate) async fn pinned(
        store: Arc<dyn KeyValueStore>,
        pins: Arc<dyn Pins>,
        revision: Option<Revision>,
    ) -> Result<Self, TransactionError> {
        let pin = Pin::new(pins, revision).await.map_err(TransactionError::of_pin)?;
        let snapshot = Self::new(store, pin.revision);
        Ok(Self { pin: Some(Arc::new(pin)), ..snapshot })
    }

    /// Whether the revision is surely kept readable, however far compaction goes.
    pub fn is_pinned(&self) -> bool {
        self.pin.as_ref().is_some_and(|pin| pin.is_held())
    }

    /// Lets the revision go, for clones and streams too, and waits until it is. A pinned snapshot
    /// that is dropped lets it go in the background.
    ///
    /// # Errors
    /// When nobody could be reached; the group lets the revision go by itself then.
    pub async fn release(self) -> Result<(), TransactionError> {
        match self.pin {
            Some(pin) => pin.release().await.map_err(TransactionError::of_pin),
            None => Ok(()),
        }
    }

    /// The revision that is read.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`TransactionError::Compacted`] when the revision is gone; otherwise as every read.
    pub async fn get(&self, key: &Key) -> Result<Option<KeyValue>, TransactionError> {
        let mut values = self.get_many(std::slice::from_ref(key)).await?;
        Ok(values.pop().flatten())
    }

    /// Reads keys; one result for each, in the same order.
    ///
    /// # Errors
    /// As [`Snapshot::get`]; names `READ_KEYS_MAX` or `READ_BYTES_MAX` when they are too many.
    pub async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<KeyValue>>, TransactionError> {
        Ok(self.stored.read(keys.to_vec()).await?.values)
    }

    /// Reads the first page of a range.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub async fn get_range(
        &self,
        query: impl Into<RangeQuery>,
    ) -> Result<RangePage<KeyValue>, TransactionError> {
        let query = query.into();
        query.validate()?;
        let wanted = u32::try_from(query.wanted()).unwrap_or(u32::MAX);
        if wanted == 0 || query.range.is_empty() {
            return Ok(RangePage { entries: Vec::new(), next: None });
        }
        let order = query.order;
        let request = ScanRequest { order, limit: wanted, ..ScanRequest::new(query.range.clone()) };
        let page = self.stored.scan(request).await?;
        let rest = page.cursor.is_some().then(|| rest_of(&query.range, &page, order));
        let next = rest.and_then(|rest| query.rest(rest, page.entries.len()));
        Ok(RangePage { entries: page.entries, next })
    }

    /// Reads a range page by page, as far as the stream is followed.
    pub fn stream(
        &self,
        query: impl Into<RangeQuery>,
    ) -> BoxStream<'static, Result<KeyValue, TransactionError>> {
        let snapshot = self.clone();
        let pages = stream::try_unfold(Some(query.into()), move |query| {
            let snapshot = snapshot.clone();
            async move {
                let Some(query) = query else { return Ok::<_, TransactionError>(None) };
                let page = snapshot.get_range(query).await?;
                Ok(Some((
                    stream::iter(page.entries.into_iter().map(Ok::<_, TransactionError>)),
                    page.next,
                )))
            }
        });
        Box::pin(futures_util::TryStreamExt::try_flatten(pages))
    }
}

/// What a page leaves of a range.
fn rest_of(range: &KeyRange, page: &ScanPage, order: ScanOrder) -> KeyRange {
    match (page.entries.last(), order) {
        (None, _) => range.clone(),
        (Some(last), ScanOrder::Forward) => {
            KeyRange { start: last.key.successor(), ..range.clone() }
        }
        (Some(last), ScanOrder::Reverse) => {
            KeyRange { end: Some(last.key.clone().into_bytes()), ..range.clone() }
        }
    }
}

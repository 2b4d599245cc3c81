//! Scans over several shards.

use aspen_core::{InvalidRequest, KeyValueStore, ReadError, ScanPage, ScanRequest};

use super::ShardedStore;
use super::ask::ReadPoint;
use super::merge::Merge;
use crate::{ShardRevisions, ShardSet};

/// A page that was read of several shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardedPage {
    /// The page, as [`KeyValueStore::scan`] answers it.
    pub page: ScanPage,
    /// The revision at which each shard of the range was read.
    pub revisions: ShardRevisions,
}

impl<S: KeyValueStore + ?Sized> ShardedStore<S> {
    /// Reads a page as [`KeyValueStore::scan`], and answers the revision of each shard of the
    /// range. Its cursors and those of [`KeyValueStore::scan`] are the same.
    ///
    /// # Errors
    /// As [`KeyValueStore::scan`].
    pub async fn scan_shards(&self, request: ScanRequest) -> Result<ShardedPage, ReadError> {
        request.validate()?;
        let shards = self.router().shards_for_range(&request.range);
        let carried = request.cursor.as_ref().map(|cursor| cursor.shards.clone());
        match (shards.sole(), carried.filter(|carried| !carried.is_empty())) {
            (_, Some(carried)) => {
                self.merged(request, shards, ReadPoint::At(&carried.into())).await
            }
            (Some(shard), None) => {
                let page = self.ask_scan(shard, request).await?;
                let revisions = ShardRevisions::from_iter([(shard, page.revision)]);
                Ok(ShardedPage { page, revisions })
            }
            (None, None) if request.cursor.is_some() => Err(InvalidRequest::new(
                "cursor: it is of one shard, and the range lies in several",
            )
            .into()),
            (None, None) => {
                let point = ReadPoint::Newest(request.consistency);
                self.merged(request, shards, point).await
            }
        }
    }

    /// Reads a page of the shards as they were at these revisions. The request's consistency is not
    /// looked at, nor any revision of its cursor, only the cursor's key.
    ///
    /// # Errors
    /// As [`KeyValueStore::scan`]; `Invalid` when `at` has no revision of a shard of the range.
    pub async fn scan_at(
        &self,
        request: ScanRequest,
        at: &ShardRevisions,
    ) -> Result<ShardedPage, ReadError> {
        request.validate()?;
        let shards = self.router().shards_for_range(&request.range);
        self.merged(request, shards, ReadPoint::At(at)).await
    }

    pub(super) async fn routed_scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        Ok(self.scan_shards(request).await?.page)
    }

    async fn merged(
        &self,
        request: ScanRequest,
        shards: ShardSet,
        point: ReadPoint<'_>,
    ) -> Result<ShardedPage, ReadError> {
        Merge::new(self, request, &shards, &point)?.page().await
    }
}

//! One store over a store for each shard.

mod ask;
mod merge;
mod read;
mod scan;
mod source;
mod write;

use std::sync::Arc;

use aspen_core::{
    Key, KeyRange, KeyValueStore, ReadError, ReadReply, ReadRequest, ScanPage, ScanRequest,
    ShardId, TransactionOutcome, WriteCommand, WriteError,
};
use async_trait::async_trait;

use crate::{InvalidShardCount, Router, ShardCount, ShardSet};

pub use ask::SHARDS_ASKED_MAX;
pub use read::ShardedRead;
pub use scan::ShardedPage;
pub use write::WRITE_SHARDS_MAX;

/// One store over a store for each shard.
///
/// Over one shard it is that shard's store: every call goes there as it is. Over several:
///
/// * What touches one shard goes there as it is, and the revisions in its reply are that shard's.
/// * A read of several shards is linearizable shard by shard; it is no snapshot of all of them. The
///   revision of its reply is [`aspen_core::Revision::OF_SEVERAL_SHARDS`], which no read takes
///   back. [`ShardedStore::read_shards`] and [`ShardedStore::scan_shards`] answer a revision for
///   each shard; [`ShardedStore::read_at`] and [`ShardedStore::scan_at`] read there.
/// * The pages of a scan are in key order and keep its limits; they all read each shard at its
///   revision on the first page, which the cursor carries.
/// * A write of more than [`WRITE_SHARDS_MAX`] shards is refused, before anything is sent. So is
///   a read at one revision of several shards.
/// * A lease is of one shard, and so are all keys attached to it: use the store that
///   [`ShardedStore::store_for_key`] names. A key with a TTL of its own works anywhere.
///
/// Clones share the stores.
pub struct ShardedStore<S: ?Sized> {
    router: Router,
    shards: Arc<[Arc<S>]>,
}

impl<S: ?Sized> Clone for ShardedStore<S> {
    fn clone(&self) -> Self {
        Self { router: self.router, shards: self.shards.clone() }
    }
}

impl<S: ?Sized> std::fmt::Debug for ShardedStore<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardedStore").field("router", &self.router).finish_non_exhaustive()
    }
}

impl<S: ?Sized> ShardedStore<S> {
    /// A store over these, each of which holds the shard of its place.
    ///
    /// # Errors
    /// When there are none, or more than [`crate::SHARD_COUNT_MAX`].
    pub fn new(stores: Vec<Arc<S>>) -> Result<Self, InvalidShardCount> {
        let router = Router::new(ShardCount::try_from(stores.len())?);
        Ok(Self { router, shards: stores.into() })
    }

    /// Says which shard owns a key.
    pub fn router(&self) -> Router {
        self.router
    }

    /// The store of a shard; `None` when there is no such shard.
    pub fn shard(&self, shard: ShardId) -> Option<&Arc<S>> {
        self.shards.get(usize::from(shard.get()))
    }

    /// The store of the shard that owns a key. Whatever stays within the key's partition can use it
    /// directly, with leases and watches from a revision.
    pub fn store_for_key(&self, key: &Key) -> &Arc<S> {
        // The router was made for this many shards.
        &self.shards[usize::from(self.router.shard_for_key(key.as_bytes()).get())]
    }

    /// The only shard's store.
    fn only(&self) -> Option<&Arc<S>> {
        self.shards.first().filter(|_| self.shards.len() == 1)
    }

    /// The store of a shard that comes from the router.
    pub(crate) fn routed(&self, shard: ShardId) -> &Arc<S> {
        &self.shards[usize::from(shard.get())]
    }

    /// Every shard.
    pub(crate) fn all_shards(&self) -> ShardSet {
        ShardSet::all(self.router.count())
    }
}

#[async_trait]
impl<S: KeyValueStore + ?Sized> KeyValueStore for ShardedStore<S> {
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        match self.only() {
            Some(store) => store.read(request).await,
            None => self.routed_read(request).await,
        }
    }

    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        match self.only() {
            Some(store) => store.scan(request).await,
            None => self.routed_scan(request).await,
        }
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        match self.only() {
            Some(store) => store.write(command).await,
            None => self.routed_write(command).await,
        }
    }

    fn sole_shard(&self, range: &KeyRange) -> Option<ShardId> {
        self.router.shards_for_range(range).sole()
    }
}

//! Asking several shards at once, and at which revision of each.

use aspen_core::{
    Consistency, Key, KeyValueStore, ReadError, ReadReply, ReadRequest, ScanPage, ScanRequest,
    ShardId,
};
use futures_util::stream::{self, Stream, StreamExt};

use super::ShardedStore;
use crate::{ShardRevisions, ShardSet};

/// How many shards one request asks at a time. More answer sooner while many are far away, and may
/// hold that many answers in memory at once.
pub const SHARDS_ASKED_MAX: usize = 64;

/// At which state a request reads its shards.
pub(super) enum ReadPoint<'a> {
    /// The newest, as fresh as this says.
    Newest(Consistency),
    /// The one at these revisions.
    At(&'a ShardRevisions),
}

impl ReadPoint<'_> {
    /// How to read one of the shards that are asked.
    ///
    /// # Errors
    /// [`ReadError::TooManyShards`] for one revision of several, `Invalid` when there is none of
    /// the shard.
    pub(super) fn of(&self, shard: ShardId, among: &ShardSet) -> Result<Consistency, ReadError> {
        match self {
            Self::Newest(Consistency::AtRevision(_)) if among.len() > 1 => {
                Err(ReadError::TooManyShards { shards: among.len() })
            }
            Self::Newest(consistency) => Ok(*consistency),
            Self::At(revisions) => Ok(Consistency::AtRevision(revisions.require(shard)?)),
        }
    }
}

impl<S: KeyValueStore + ?Sized> ShardedStore<S> {
    pub(super) async fn ask_read(
        &self,
        shard: ShardId,
        keys: Vec<Key>,
        consistency: Consistency,
    ) -> Result<ReadReply, ReadError> {
        let request = ReadRequest { keys, consistency };
        self.routed(shard).read(request).await.map_err(|error| named(shard, error))
    }

    pub(super) async fn ask_scan(
        &self,
        shard: ShardId,
        request: ScanRequest,
    ) -> Result<ScanPage, ReadError> {
        self.routed(shard).scan(request).await.map_err(|error| named(shard, error))
    }
}

/// Runs requests, at most [`SHARDS_ASKED_MAX`] at a time; answers in the order in which they come.
pub(super) fn all_at_once<F: Future>(
    requests: impl IntoIterator<Item = F>,
) -> impl Stream<Item = F::Output> {
    stream::iter(requests).buffer_unordered(SHARDS_ASKED_MAX)
}

/// The error with the shard in it, where the shard is all that is missing.
fn named(shard: ShardId, error: ReadError) -> ReadError {
    match error {
        ReadError::Unavailable(detail) => ReadError::ShardUnavailable { shard, detail },
        error => error,
    }
}

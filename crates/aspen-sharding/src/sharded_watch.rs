//! Watches over several shards.
//!
//! Within a shard a merged watch is what a watch is: ordered, unique, atomic, reliable. Between
//! shards there is no order. How far it has come is a revision of each shard.

use aspen_core::{
    Consistency, ErrorKind, InvalidRequest, KeyValueStore, ReadError, ReadRequest, Revision,
    ShardId, Watch, WatchBatch, WatchError, WatchRequest, WatchSource, WatchStream, WatchUpdate,
};
use async_trait::async_trait;
use futures_util::future::{BoxFuture, FutureExt, try_join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::{ShardRevisions, ShardSet, ShardedStore};

/// What one shard tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardedUpdate {
    /// The shard.
    pub shard: ShardId,
    /// What happened in it; its revisions are the shard's.
    pub update: WatchUpdate,
}

/// Why a watch over several shards ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("watch of shard {shard}: {error}")]
pub struct ShardedWatchError {
    /// The shard whose watch ended; the others end with it.
    pub shard: ShardId,
    /// Why.
    pub error: WatchError,
}

impl ShardedWatchError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.error.kind()
    }
}

/// A shard's stream while its next update is waited for.
type Waiting = BoxFuture<'static, (ShardId, WatchStream, Result<WatchUpdate, WatchError>)>;

/// The updates of a watch over several shards. Dropping it ends the watch.
pub struct ShardedWatchStream {
    waiting: FuturesUnordered<Waiting>,
    position: ShardRevisions,
    ended: Option<ShardedWatchError>,
}

impl std::fmt::Debug for ShardedWatchStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("ShardedWatchStream");
        shown.field("position", &self.position).finish_non_exhaustive()
    }
}

impl ShardedWatchStream {
    /// The next update of any shard; waits for one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the watch ended; the same again when asked again.
    pub async fn next(&mut self) -> Result<ShardedUpdate, ShardedWatchError> {
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        // A watch has at least one shard, and each is waited for as long as none has ended.
        let Some((shard, stream, update)) = self.waiting.next().await else {
            let error = WatchError::Bug("the watch has no shard".to_owned());
            return Err(ShardedWatchError { shard: ShardId::default(), error });
        };
        match update {
            Ok(update) => {
                self.advance(shard, &update);
                self.waiting.push(waiting(shard, stream));
                Ok(ShardedUpdate { shard, update })
            }
            Err(error) => {
                let error = ShardedWatchError { shard, error };
                self.ended = Some(error.clone());
                self.waiting.clear();
                Err(error)
            }
        }
    }

    /// How far everything has been told: give it to [`ShardedStore::watch_shards`] to go on after
    /// it, here or elsewhere. It names every shard from the beginning on.
    pub fn position(&self) -> &ShardRevisions {
        &self.position
    }

    fn advance(&mut self, shard: ShardId, update: &WatchUpdate) {
        match update {
            WatchUpdate::Events { revision, .. } | WatchUpdate::Progress { revision } => {
                let before = self.position.get(shard).unwrap_or_default();
                self.position.insert(shard, before.max(*revision));
            }
            // What was dropped comes again, and was not told.
            WatchUpdate::Lagging { .. } => {}
        }
    }
}

fn waiting(shard: ShardId, mut stream: WatchStream) -> Waiting {
    async move {
        let update = stream.next().await;
        (shard, stream, update)
    }
    .boxed()
}

impl<S: KeyValueStore + Watch + ?Sized> ShardedStore<S> {
    /// Watches a range in all its shards: what changes after these revisions, or after the call.
    /// Once it returns, every change made after it returned will be told.
    ///
    /// # Errors
    /// As [`Watch::watch`] of a shard; `Invalid` when `after` has no revision of a shard of the
    /// range, or when the request has a revision to begin `from`: it would be of one shard.
    pub async fn watch_shards(
        &self,
        request: WatchRequest,
        after: Option<&ShardRevisions>,
    ) -> Result<ShardedWatchStream, ShardedWatchError> {
        let shards = self.router().shards_for_range(&request.range);
        let first = shards.sole().unwrap_or_default();
        check(&request).map_err(|error| ShardedWatchError { shard: first, error })?;
        let begun = shards.iter().map(|shard| self.watch_one(shard, &request, after));
        let begun = try_join_all(begun).await?;
        let position = begun.iter().map(|(shard, revision, _)| (*shard, *revision)).collect();
        let waiting = begun.into_iter().map(|(shard, _, stream)| waiting(shard, stream)).collect();
        Ok(ShardedWatchStream { waiting, position, ended: None })
    }

    async fn watch_one(
        &self,
        shard: ShardId,
        request: &WatchRequest,
        after: Option<&ShardRevisions>,
    ) -> Result<(ShardId, Revision, WatchStream), ShardedWatchError> {
        let named = |error| ShardedWatchError { shard, error };
        let after = match after {
            Some(after) => after.require(shard).map_err(|error| named(error.into()))?,
            None => self.newest(shard).await.map_err(named)?,
        };
        let request = request.clone().from(after.next());
        let stream = self.routed(shard).watch(request).await.map_err(named)?;
        Ok((shard, after, stream))
    }

    /// Where a shard is now.
    async fn newest(&self, shard: ShardId) -> Result<Revision, WatchError> {
        let request = ReadRequest { keys: Vec::new(), consistency: Consistency::Linearizable };
        match self.routed(shard).read(request).await {
            Ok(reply) => Ok(reply.revision),
            Err(ReadError::Denied(detail)) => Err(WatchError::Denied(detail)),
            Err(error) => Err(WatchError::Unavailable(error.to_string())),
        }
    }
}

fn check(request: &WatchRequest) -> Result<(), WatchError> {
    request.validate()?;
    match request.from {
        None => Ok(()),
        Some(_) => Err(InvalidRequest::new(
            "from: a revision is of one shard; begin after the revisions of all of them",
        )
        .into()),
    }
}

/// A range within one shard is watched there. Over several shards, revisions are those of the shard
/// that each key lies in; a watch can neither begin from one revision nor tell of progress to one,
/// for which [`ShardedStore::watch_shards`] is there.
#[async_trait]
impl<S: KeyValueStore + Watch + ?Sized + 'static> Watch for ShardedStore<S> {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream, WatchError> {
        let shards: ShardSet = self.router().shards_for_range(&request.range);
        if let Some(shard) = shards.sole() {
            return self.routed(shard).watch(request).await;
        }
        if request.progress {
            let detail = "progress: a revision is of one shard, and the range lies in several";
            return Err(InvalidRequest::new(detail).into());
        }
        let merged = self.watch_shards(request, None).await.map_err(|failed| failed.error)?;
        Ok(WatchStream::new(Merged(merged)))
    }
}

/// A merged watch that does not say which shard an update is of.
struct Merged(ShardedWatchStream);

#[async_trait]
impl WatchSource for Merged {
    async fn next_batch(&mut self) -> Result<WatchBatch, WatchError> {
        match self.0.next().await {
            Ok(update) => Ok(vec![update.update].into()),
            Err(failed) => Err(failed.error),
        }
    }
}

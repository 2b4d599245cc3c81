//! Reads of keys that may lie in several shards.

use std::collections::BTreeMap;

use aspen_core::{
    Consistency, Key, KeyValue, KeyValueStore, ReadBytes, ReadError, ReadReply, ReadRequest,
    Revision, ShardId,
};
use futures_util::stream::StreamExt;

use super::ShardedStore;
use super::ask::{ReadPoint, all_at_once};
use crate::{ShardRevisions, ShardSet};

/// What was read of several shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardedRead {
    /// The revision at which each shard was read.
    pub revisions: ShardRevisions,
    /// One per key asked for, in the same order.
    pub values: Vec<Option<KeyValue>>,
}

/// The keys asked of each shard, with their places in the request.
type Parts = BTreeMap<ShardId, Vec<(usize, Key)>>;

/// What one shard answered, with the places in the request.
struct Answer {
    shard: ShardId,
    revision: Revision,
    found: Vec<(usize, Option<KeyValue>)>,
}

impl<S: KeyValueStore + ?Sized> ShardedStore<S> {
    /// Reads keys as [`KeyValueStore::read`], and answers the revision of each shard that was
    /// asked. A request that names no key asks every shard: it is how to learn where they all are.
    ///
    /// # Errors
    /// As [`KeyValueStore::read`].
    pub async fn read_shards(&self, request: ReadRequest) -> Result<ShardedRead, ReadError> {
        request.validate()?;
        let parts = self.parts(request.keys);
        self.read_parts(parts, &ReadPoint::Newest(request.consistency)).await
    }

    /// Reads keys of shards as they were at these revisions.
    ///
    /// # Errors
    /// As [`KeyValueStore::read`]; `Invalid` when `at` has no revision of a shard that owns a key.
    pub async fn read_at(
        &self,
        keys: Vec<Key>,
        at: &ShardRevisions,
    ) -> Result<ShardedRead, ReadError> {
        let request = ReadRequest { keys, consistency: Consistency::Stale };
        request.validate()?;
        let mut parts = self.parts(request.keys);
        parts.retain(|shard, part| !part.is_empty() || at.get(*shard).is_some());
        self.read_parts(parts, &ReadPoint::At(at)).await
    }

    pub(super) async fn routed_read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        request.validate()?;
        let parts = self.parts(request.keys);
        if let (1, Some((shard, part))) = (parts.len(), parts.first_key_value()) {
            let keys = part.iter().map(|(_, key)| key.clone()).collect();
            return self.ask_read(*shard, keys, request.consistency).await;
        }
        let found = self.read_parts(parts, &ReadPoint::Newest(request.consistency)).await?;
        Ok(ReadReply { revision: Revision::OF_SEVERAL_SHARDS, values: found.values })
    }

    /// Every shard with the keys it owns; all shards with none when no key is named.
    fn parts(&self, keys: Vec<Key>) -> Parts {
        let mut parts = Parts::new();
        if keys.is_empty() {
            parts.extend(self.all_shards().iter().map(|shard| (shard, Vec::new())));
        }
        for (place, key) in keys.into_iter().enumerate() {
            let shard = self.router.shard_for_key(key.as_bytes());
            parts.entry(shard).or_default().push((place, key));
        }
        parts
    }

    async fn read_parts(
        &self,
        parts: Parts,
        point: &ReadPoint<'_>,
    ) -> Result<ShardedRead, ReadError> {
        let among: ShardSet = parts.keys().copied().collect();
        let mut values = vec![None; parts.values().map(Vec::len).sum()];
        let mut reads = Vec::with_capacity(parts.len());
        for (shard, part) in parts {
            reads.push(self.read_part(shard, part, point.of(shard, &among)?));
        }
        let (mut revisions, mut bytes) = (ShardRevisions::new(), ReadBytes::default());
        let mut answers = std::pin::pin!(all_at_once(reads));
        while let Some(answer) = answers.next().await {
            let Answer { shard, revision, found } = answer?;
            revisions.insert(shard, revision);
            for (place, found) in found {
                found.as_ref().map_or(Ok(()), |entry| bytes.charge(entry))?;
                values[place] = found;
            }
        }
        Ok(ShardedRead { revisions, values })
    }

    async fn read_part(
        &self,
        shard: ShardId,
        part: Vec<(usize, Key)>,
        consistency: Consistency,
    ) -> Result<Answer, ReadError> {
        let (places, keys): (Vec<usize>, Vec<Key>) = part.into_iter().unzip();
        let reply = self.ask_read(shard, keys, consistency).await?;
        if reply.values.len() != places.len() {
            let (asked, got) = (places.len(), reply.values.len());
            let detail = format!("shard {shard} answered {got} values for {asked} keys");
            return Err(ReadError::Bug(detail));
        }
        let found = places.into_iter().zip(reply.values).collect();
        Ok(Answer { shard, revision: reply.revision, found })
    }
}

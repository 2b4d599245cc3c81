//! Merging the entries of several shards in key order.

use std::collections::BTreeMap;

use aspen_core::{
    Cursor, Key, KeyValue, KeyValueStore, Projection, ReadError, Revision, ScanOrder, ScanPage,
    ScanRequest,
};
use futures_util::stream::StreamExt;

use super::ask::{ReadPoint, all_at_once};
use super::source::{Share, Source};
use super::{ShardedPage, ShardedStore};
use crate::{ShardRevisions, ShardSet};

/// A page while it is merged.
///
/// Every source is in one of three places: by its first entry among the `heads`, among the
/// `drained` when the shard must be asked for more, or among the `done`. An entry is next only when
/// no source is drained: the shard could have one before it.
pub(super) struct Merge<'a, S: ?Sized> {
    store: &'a ShardedStore<S>,
    request: ScanRequest,
    heads: BTreeMap<Key, Source>,
    drained: Vec<Source>,
    done: Vec<Source>,
    entries: Vec<KeyValue>,
    bytes: usize,
}

impl<'a, S: KeyValueStore + ?Sized> Merge<'a, S> {
    /// A page of these shards, none of which was asked yet.
    ///
    /// # Errors
    /// As [`ReadPoint::of`].
    pub(super) fn new(
        store: &'a ShardedStore<S>,
        request: ScanRequest,
        shards: &ShardSet,
        point: &ReadPoint<'_>,
    ) -> Result<Self, ReadError> {
        let share = Share::of(&request, shards.len());
        let sources = shards
            .iter()
            .map(|shard| Ok(Source::new(shard, point.of(shard, shards)?, share)))
            .collect::<Result<Vec<Source>, ReadError>>()?;
        let (heads, done, entries) = (BTreeMap::new(), Vec::new(), Vec::new());
        Ok(Self { store, request, heads, drained: sources, done, entries, bytes: 0 })
    }

    /// Merges until the page is full or the range exhausted.
    pub(super) async fn page(mut self) -> Result<ShardedPage, ReadError> {
        while !self.is_full() {
            self.refill().await?;
            let Some(source) = self.first_head() else { break };
            self.take_from(source);
        }
        Ok(self.finish())
    }

    fn is_full(&self) -> bool {
        let (limit, bytes_max) = (self.request.limit as usize, self.request.bytes_max);
        self.entries.len() >= limit || self.bytes >= bytes_max
    }

    async fn refill(&mut self) -> Result<(), ReadError> {
        if self.drained.is_empty() {
            return Ok(());
        }
        let drained = std::mem::take(&mut self.drained);
        let (store, request) = (self.store, &self.request);
        let mut filled = Vec::with_capacity(drained.len());
        let mut answers = all_at_once(drained.into_iter().map(|it| it.fill(store, request)));
        while let Some(source) = answers.next().await {
            filled.push(source?);
        }
        drop(answers);
        filled.into_iter().for_each(|source| self.put(source));
        Ok(())
    }

    fn put(&mut self, source: Source) {
        match source.entries.front() {
            Some(entry) => drop(self.heads.insert(entry.key.clone(), source)),
            None if source.more => self.drained.push(source),
            None => self.done.push(source),
        }
    }

    fn first_head(&mut self) -> Option<Source> {
        let first = match self.request.order {
            ScanOrder::Forward => self.heads.pop_first(),
            ScanOrder::Reverse => self.heads.pop_last(),
        };
        first.map(|(_, source)| source)
    }

    fn take_from(&mut self, mut source: Source) {
        if let Some(entry) = source.entries.pop_front() {
            self.bytes += entry.len_bytes();
            self.entries.push(entry);
        }
        self.put(source);
    }

    fn finish(self) -> ShardedPage {
        let more = !self.heads.is_empty() || !self.drained.is_empty();
        let sources = || self.heads.values().chain(&self.drained).chain(&self.done);
        let revisions: ShardRevisions = sources().filter_map(|source| source.revision).collect();
        let count = match self.request.projection {
            Projection::CountOnly => sources().map(|source| source.count).sum(),
            Projection::Full | Projection::KeysOnly => self.entries.len() as u64,
        };
        let revision = Revision::OF_SEVERAL_SHARDS;
        let cursor = self.entries.last().filter(|_| more).map(|last| Cursor {
            revision,
            last_key: last.key.clone(),
            shards: revisions.clone().into(),
        });
        let page = ScanPage { revision, entries: self.entries, count, cursor };
        ShardedPage { page, revisions }
    }
}

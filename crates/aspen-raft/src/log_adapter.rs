//! A group's log as openraft sees it.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use aspen_core::{LogIndex, NodeId, codec, runtime};
use aspen_storage::{GroupLog, LogError};
use futures_util::stream::{self, Stream};
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::Mutex;

use crate::durability::Durability;
use crate::entry_cache::{EntryCache, fitting};
use crate::types::{LogId, RaftEntry, TypeConfig, Vote};
use crate::wire::{self, Malformed, WireVote};

/// How many bytes of entries one read for a follower or for `apply` returns, unless a single entry
/// is larger. Two such reads stay below the message limit.
pub(crate) const LOG_READ_BYTES_MAX: usize = 4 * 1024 * 1024;

const _: () = assert!(2 * LOG_READ_BYTES_MAX < aspen_core::MESSAGE_BYTES_MAX);

/// openraft's log store over a [`GroupLog`]. Clones share everything.
#[derive(Clone)]
pub(crate) struct LogAdapter {
    log: Arc<dyn GroupLog>,
    cache: Arc<Mutex<EntryCache>>,
    durability: Arc<Durability>,
    /// The node whose own entries are appended without waiting for them; `None` waits for all.
    overlaps: Option<NodeId>,
}

impl LogAdapter {
    pub(crate) fn new(log: Arc<dyn GroupLog>, cache_bytes_max: usize) -> Self {
        let cache = Arc::new(Mutex::new(EntryCache::new(cache_bytes_max)));
        Self { log, cache, durability: Arc::default(), overlaps: None }
    }

    /// Tells `durability` how appends go.
    pub(crate) fn telling(self, durability: Arc<Durability>) -> Self {
        Self { durability, ..self }
    }

    /// Lets this node's followers sync its entries while it does so itself.
    pub(crate) fn overlapping(self, node: NodeId) -> Self {
        Self { overlaps: Some(node), ..self }
    }

    /// The entries of a range that exist, up to `bytes_max` but at least one.
    async fn read(&self, range: Range<u64>, bytes_max: usize) -> io::Result<Vec<RaftEntry>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let bytes_max = if runtime::buggify("raft-log-read-short") { 1 } else { bytes_max };
        if let Some(entries) = self.cache.lock().read(range.clone(), bytes_max) {
            return Ok(entries);
        }
        let records = self.log.read(range, bytes_max).await?;
        let entries: Result<Vec<_>, Malformed> = records.iter().map(wire::from_record).collect();
        Ok(entries?)
    }

    /// All existing entries of a range; the store may return them in several pieces.
    async fn read_all(&self, mut range: Range<u64>) -> io::Result<Vec<RaftEntry>> {
        let mut entries = self.read(range.clone(), usize::MAX).await?;
        while let Some(last) = entries.last() {
            range.start = last.log_id.index + 1;
            let more = self.read(range.clone(), usize::MAX).await?;
            if more.is_empty() {
                break;
            }
            entries.extend(more);
        }
        Ok(entries)
    }

    /// The part of a range that the log holds.
    fn clamp(&self, range: &impl RangeBounds<u64>) -> Range<u64> {
        let state = self.log.state();
        let first = state.purged.map_or(0, |(index, _)| index.get() + 1);
        let end = state.last.map_or(first, |index| index.get() + 1).max(self.cache.lock().end());
        let wanted_start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let wanted_end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        wanted_start.max(first)..wanted_end.min(end)
    }

    /// Whether the entries are this node's own as a leader.
    fn overlaps(&self, entries: &[RaftEntry]) -> bool {
        let own = |entry: &RaftEntry| {
            self.overlaps.is_some_and(|node| node.get() == entry.log_id.leader_id.node_id)
        };
        entries.iter().all(own)
    }

    /// Appends entries; they are durable when it returns. Waits for room on a full disk: a replica
    /// that failed instead would need a restart to return.
    async fn append_now(&self, entries: Vec<RaftEntry>) -> io::Result<()> {
        let appended = loop {
            let records: Result<Vec<_>, Malformed> = entries.iter().map(wire::to_record).collect();
            match self.log.append(records?).await {
                Err(LogError::DiskFull(detail)) => {
                    tracing::warn!(detail, "an append waits for room");
                    if !self.durability.wait_for_room().await {
                        break Err(LogError::DiskFull(detail));
                    }
                }
                appended => break appended,
            }
        };
        self.durability.go_on();
        appended?;
        let mut cache = self.cache.lock();
        cache.push(entries);
        let end = cache.end();
        cache.set_durable(end);
        Ok(())
    }

    /// Appends entries that can be read at once; `callback` hears when they are durable.
    async fn append_begin(
        &self,
        entries: Vec<RaftEntry>,
        callback: IOFlushed<TypeConfig>,
    ) -> io::Result<()> {
        let records: Result<Vec<_>, Malformed> = entries.iter().map(wire::to_record).collect();
        let records = records?;
        let end = entries.last().map_or(0, |entry| entry.log_id.index + 1);
        self.cache.lock().push(entries);
        self.durability.begin();
        let (cache, durability) = (self.cache.clone(), self.durability.clone());
        let completion = move |outcome: Result<(), LogError>| {
            if outcome.is_ok() {
                cache.lock().set_durable(end);
            }
            durability.complete(&outcome);
            callback.io_completed(outcome.map_err(io::Error::from));
        };
        self.log.append_begin(records, Box::new(completion)).await;
        Ok(())
    }

    /// Waits until the entries before `end` are durable.
    async fn reach(&self, end: u64) -> io::Result<()> {
        self.durability.reach(|| self.durable_end() >= end).await
    }

    /// The index after the last entry that a restart would find.
    fn durable_end(&self) -> u64 {
        let state = self.log.state();
        let last = state.last.or(state.purged.map(|(index, _)| index));
        last.map_or(0, |last| last.get() + 1)
    }
}

impl RaftLogReader<TypeConfig> for LogAdapter {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<RaftEntry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let range = self.clamp(&range);
        self.read_all(range).await
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> io::Result<Vec<RaftEntry>> {
        let mut entries = self.read(start..end, LOG_READ_BYTES_MAX).await?;
        // The file's store may count bytes a little differently.
        let count = fitting(entries.iter(), LOG_READ_BYTES_MAX).count();
        entries.truncate(count);
        Ok(entries)
    }

    /// Entries for `apply`, read piece by piece: a node that replays a long tail holds one piece in
    /// memory, not the tail.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<RaftEntry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let range = self.clamp(&range);
        let pieces = stream::try_unfold((self.clone(), range), |(log, mut range)| async move {
            // What is applied must never be ahead of what a restart would find in the log.
            if !range.is_empty() && !runtime::planted("apply-ahead-of-log") {
                log.reach(range.end).await?;
            }
            let piece = log.read(range.clone(), LOG_READ_BYTES_MAX).await?;
            let Some(last) = piece.last() else { return Ok::<_, io::Error>(None) };
            range.start = last.log_id.index + 1;
            Ok(Some((stream::iter(piece.into_iter().map(Ok)), (log, range))))
        });
        Box::pin(futures_util::TryStreamExt::try_flatten(pieces))
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        let Some(bytes) = self.log.vote() else { return Ok(None) };
        let vote: WireVote = codec::decode(&bytes).map_err(Malformed::from)?;
        Ok(Some(vote.into()))
    }
}

impl RaftLogStorage<TypeConfig> for LogAdapter {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let state = self.log.state();
        let purged = state.purged.map(|(_, marker)| wire::decode_log_id(&marker)).transpose()?;
        let last = match state.last {
            Some(last) => {
                let entries = self.read(last.get()..last.get() + 1, usize::MAX).await?;
                entries.last().map(|entry| entry.log_id)
            }
            None => None,
        };
        Ok(LogState { last_purged_log_id: purged, last_log_id: last.or(purged) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let bytes = codec::encode(&WireVote::from(*vote)).map_err(Malformed::from)?;
        Ok(self.log.save_vote(bytes).await?)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let bytes = committed.map(wire::encode_log_id).transpose()?;
        Ok(self.log.save_committed(bytes).await?)
    }

    /// A leader's followers may commit an entry before its own disk has it: after a crash the kept
    /// position can lie beyond the log. It is only a hint, and such a one helps nobody.
    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        let Some(bytes) = self.log.committed() else { return Ok(None) };
        let committed = wire::decode_log_id(&bytes)?;
        Ok(Some(committed).filter(|committed| committed.index < self.durable_end()))
    }

    /// Returns once the entries are durable, or, for a leader's own, once they have their place in
    /// the order of writes: see [`Durability`].
    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<RaftEntry> = entries.into_iter().collect();
        if self.overlaps(&entries) {
            return self.append_begin(entries, callback).await;
        }
        self.append_now(entries).await?;
        callback.io_completed(Ok(()));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let from = last.map_or(0, |last| last.index + 1);
        self.cache.lock().truncate(from);
        self.log.truncate(LogIndex::new(from)).await?;
        // Appends that were under way have completed meanwhile, and are gone.
        self.cache.lock().truncate(from);
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.cache.lock().purge(upto.index);
        let marker = wire::encode_log_id(upto)?;
        Ok(self.log.purge(LogIndex::new(upto.index), marker).await?)
    }
}

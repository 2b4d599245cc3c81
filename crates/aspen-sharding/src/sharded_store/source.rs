//! One shard's part of a merged scan.

use std::collections::VecDeque;

use aspen_core::{
    Consistency, Cursor, KeyValue, KeyValueStore, ReadError, Revision, ScanPage, ScanRequest,
    ShardId,
};

use super::ShardedStore;

/// How many bytes a shard is asked for at least. Fewer would cost more requests; more is held in
/// memory for every shard of the range.
const SHARE_BYTES_MIN: usize = 64 * 1024;

/// A shard while its entries are merged with those of others.
pub(super) struct Source {
    shard: ShardId,
    consistency: Consistency,
    /// Where the next request goes on; `None` at the beginning of the range.
    cursor: Option<Cursor>,
    share: Share,
    /// What was answered and is not merged yet.
    pub(super) entries: VecDeque<KeyValue>,
    /// Whether the shard has more than that.
    pub(super) more: bool,
    /// The revision at which it is read, once it was asked.
    pub(super) revision: Option<(ShardId, Revision)>,
    /// How many keys it counts.
    pub(super) count: u64,
}

/// How much a shard is asked for at once.
///
/// Hashing spreads a range evenly unless few partitions fill it, so a shard's part of a page is
/// asked for, with a margin of two standard deviations, and twice as much each time that it was not
/// enough: even when one shard has it all, a page takes a logarithmic number of requests.
#[derive(Clone, Copy)]
pub(super) struct Share {
    limit: u32,
    bytes_max: usize,
}

impl Share {
    /// The first share of each of so many shards.
    pub(super) fn of(request: &ScanRequest, shards: u16) -> Self {
        let part = request.limit / u32::from(shards.max(1));
        let limit = part + 2 * part.isqrt() + 1;
        let bytes_max = (request.bytes_max / usize::from(shards.max(1))).max(SHARE_BYTES_MIN);
        Self { limit, bytes_max }.within(request)
    }

    fn doubled(self, request: &ScanRequest) -> Self {
        Self { limit: 2 * self.limit, bytes_max: 2 * self.bytes_max }.within(request)
    }

    fn within(self, request: &ScanRequest) -> Self {
        let (limit, bytes_max) = (request.limit, request.bytes_max);
        Self { limit: self.limit.min(limit), bytes_max: self.bytes_max.min(bytes_max) }
    }
}

impl Source {
    /// A shard that was not asked yet.
    pub(super) fn new(shard: ShardId, consistency: Consistency, share: Share) -> Self {
        let entries = VecDeque::new();
        let (cursor, revision) = (None, None);
        Self { shard, consistency, cursor, share, entries, more: true, revision, count: 0 }
    }

    /// Asks for the shard's next entries.
    pub(super) async fn fill<S: KeyValueStore + ?Sized>(
        mut self,
        store: &ShardedStore<S>,
        request: &ScanRequest,
    ) -> Result<Self, ReadError> {
        let page = store.ask_scan(self.shard, self.next_request(request)).await?;
        self.take(page)?;
        self.share = self.share.doubled(request);
        Ok(self)
    }

    fn next_request(&self, request: &ScanRequest) -> ScanRequest {
        let begins_after = request.cursor.as_ref().map(|cursor| &cursor.last_key);
        let cursor = self.cursor.clone().or(match (self.consistency, begins_after) {
            (Consistency::AtRevision(at), Some(key)) => Some(Cursor::new(at, key.clone())),
            _ => None,
        });
        ScanRequest {
            limit: self.share.limit,
            bytes_max: self.share.bytes_max,
            consistency: self.consistency,
            cursor,
            ..request.clone()
        }
    }

    fn take(&mut self, page: ScanPage) -> Result<(), ReadError> {
        if page.cursor.is_some() && page.entries.is_empty() {
            let detail = format!("shard {} answered an empty page with a cursor", self.shard);
            return Err(ReadError::Bug(detail));
        }
        self.revision = Some((self.shard, page.revision));
        self.count = page.count;
        self.more = page.cursor.is_some();
        self.cursor = page.cursor;
        self.entries.extend(page.entries);
        Ok(())
    }
}

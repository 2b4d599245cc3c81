//! Reads of what is stored, all at one revision.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{
    Consistency, InvalidRequest, KEY_BYTES_MAX, Key, KeyRange, KeyValueStore, ReadReply,
    ReadRequest, Revision, ScanPage, ScanRequest, ShardId,
};
use tokio::sync::{Mutex, MutexGuard};

use crate::TransactionError;

/// Reads of a store at the revision of the first of them, which is linearizable. Of a store of
/// several shards they read the one that the first read, whose revision means nothing elsewhere.
pub(crate) struct StoredReads {
    store: Arc<dyn KeyValueStore>,
    /// The shard of all reads, once one was begun in a store of several.
    shard: OnceLock<ShardId>,
    /// How long after the first read others may follow.
    age_ms_max: Option<u64>,
    point: OnceLock<ReadPoint>,
    /// Held during the first read, so that those that begin meanwhile read at its revision.
    first: Mutex<()>,
}

/// When the first read began, and the revision that it found.
#[derive(Clone, Copy, Debug)]
struct ReadPoint {
    revision: Revision,
    began: Instant,
}

/// How the next read is done: at the known revision, or as the first.
struct Mode<'a> {
    consistency: Consistency,
    began: Instant,
    _first: Option<MutexGuard<'a, ()>>,
}

impl StoredReads {
    /// Reads whose revision the first of them decides.
    pub(crate) fn new(store: Arc<dyn KeyValueStore>, age_ms_max: Option<u64>) -> Self {
        let (shard, point) = (OnceLock::new(), OnceLock::new());
        Self { store, shard, age_ms_max, point, first: Mutex::new(()) }
    }

    /// Reads at a revision known before.
    pub(crate) fn at(store: Arc<dyn KeyValueStore>, revision: Revision) -> Self {
        let point = OnceLock::from(ReadPoint { revision, began: runtime::now() });
        let shard = OnceLock::new();
        Self { store, shard, age_ms_max: None, point, first: Mutex::new(()) }
    }

    /// The store that is read.
    pub(crate) fn store(&self) -> &Arc<dyn KeyValueStore> {
        &self.store
    }

    /// The revision, once something was read.
    pub(crate) fn revision_read(&self) -> Option<Revision> {
        self.point.get().map(|point| point.revision)
    }

    /// The revision; asks for the newest when nothing was read yet.
    ///
    /// # Errors
    /// `Invalid` for a store of several shards when nothing was read yet: none is asked for then.
    pub(crate) async fn revision(&self) -> Result<Revision, TransactionError> {
        match self.revision_read() {
            Some(revision) => Ok(revision),
            None if self.is_one_shard() => Ok(self.read(Vec::new()).await?.revision),
            None => Err(several_shards("read a key of the shard that is meant")),
        }
    }

    /// The revision at which a range is read; asks for the newest when nothing was read yet.
    ///
    /// # Errors
    /// `Invalid` when the range does not lie in the shard of the other reads.
    pub(crate) async fn revision_of(&self, range: &KeyRange) -> Result<Revision, TransactionError> {
        if self.is_one_shard() {
            return self.revision().await;
        }
        self.bind(range)?;
        match self.revision_read() {
            Some(revision) => Ok(revision),
            None => Ok(self.read(vec![a_key_at(range)?]).await?.revision),
        }
    }

    /// Whether one revision names a state of the whole store.
    fn is_one_shard(&self) -> bool {
        self.store.sole_shard(&KeyRange::all()).is_some()
    }

    /// Makes sure that a range lies in the shard that all reads are of.
    fn bind(&self, range: &KeyRange) -> Result<(), TransactionError> {
        let shard = self.store.sole_shard(range);
        let shard = shard.ok_or_else(|| several_shards("the range lies in several"))?;
        match *self.shard.get_or_init(|| shard) {
            bound if bound == shard => Ok(()),
            bound => Err(several_shards(&format!("shard {bound} was read, then shard {shard}"))),
        }
    }

    /// Reads keys.
    pub(crate) async fn read(&self, keys: Vec<Key>) -> Result<ReadReply, TransactionError> {
        if !self.is_one_shard() {
            keys.iter().try_for_each(|key| self.bind(&KeyRange::single(key)))?;
        }
        let mode = self.mode().await?;
        let request = ReadRequest { keys, consistency: mode.consistency };
        let reply = self.store.read(request).await.map_err(TransactionError::of_read)?;
        self.settle(&mode, reply.revision);
        Ok(reply)
    }

    /// Reads a page of a range. The request's consistency and cursor are not looked at.
    pub(crate) async fn scan(&self, request: ScanRequest) -> Result<ScanPage, TransactionError> {
        if !self.is_one_shard() {
            self.bind(&request.range)?;
        }
        let mode = self.mode().await?;
        let request = ScanRequest { consistency: mode.consistency, cursor: None, ..request };
        let page = self.store.scan(request).await.map_err(TransactionError::of_read)?;
        self.settle(&mode, page.revision);
        Ok(page)
    }

    async fn mode(&self) -> Result<Mode<'_>, TransactionError> {
        if let Some(mode) = self.later_mode()? {
            return Ok(mode);
        }
        let first = self.first.lock().await;
        match self.later_mode()? {
            Some(mode) => Ok(mode),
            None => Ok(Mode {
                consistency: Consistency::Linearizable,
                began: runtime::now(),
                _first: Some(first),
            }),
        }
    }

    fn later_mode(&self) -> Result<Option<Mode<'_>>, TransactionError> {
        self.check_age()?;
        Ok(self.point.get().map(|point| Mode {
            consistency: Consistency::AtRevision(point.revision),
            began: point.began,
            _first: None,
        }))
    }

    /// # Errors
    /// [`TransactionError::TooOld`].
    pub(crate) fn check_age(&self) -> Result<(), TransactionError> {
        match (self.point.get(), self.age_ms_max) {
            (Some(point), Some(age_ms_max))
                if runtime::now() > point.began + Duration::from_millis(age_ms_max) =>
            {
                Err(TransactionError::TooOld { age_ms_max })
            }
            _ => Ok(()),
        }
    }

    fn settle(&self, mode: &Mode<'_>, revision: Revision) {
        self.point.get_or_init(|| ReadPoint { revision, began: mode.began });
    }
}

/// A transaction of several shards needs a revision of each, and their agreement at the commit.
fn several_shards(detail: &str) -> TransactionError {
    InvalidRequest::new(format!("a transaction reads one shard of the store: {detail}")).into()
}

/// A key whose shard is that of the range's first keys.
fn a_key_at(range: &KeyRange) -> Result<Key, TransactionError> {
    let start = match range.start.len() {
        // No key is empty, and the first of all has the empty partition too.
        0 => bytes::Bytes::from_static(b"\0"),
        // The successor of a longest key: that key is in front of the same zero byte.
        len => range.start.slice(..len.min(KEY_BYTES_MAX)),
    };
    Ok(Key::new(start)?)
}

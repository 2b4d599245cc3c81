//! Reads of what is stored, all at one revision.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{
    Consistency, Key, KeyValueStore, ReadReply, ReadRequest, Revision, ScanPage, ScanRequest,
};
use tokio::sync::{Mutex, MutexGuard};

use crate::TransactionError;

/// Reads of a store at the revision of the first of them, which is linearizable.
pub(crate) struct StoredReads {
    store: Arc<dyn KeyValueStore>,
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
        Self { store, age_ms_max, point: OnceLock::new(), first: Mutex::new(()) }
    }

    /// Reads at a revision known before.
    pub(crate) fn at(store: Arc<dyn KeyValueStore>, revision: Revision) -> Self {
        let point = OnceLock::from(ReadPoint { revision, began: runtime::now() });
        Self { store, age_ms_max: None, point, first: Mutex::new(()) }
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
    pub(crate) async fn revision(&self) -> Result<Revision, TransactionError> {
        match self.revision_read() {
            Some(revision) => Ok(revision),
            None => Ok(self.read(Vec::new()).await?.revision),
        }
    }

    /// Reads keys.
    pub(crate) async fn read(&self, keys: Vec<Key>) -> Result<ReadReply, TransactionError> {
        let mode = self.mode().await?;
        let request = ReadRequest { keys, consistency: mode.consistency };
        let reply = self.store.read(request).await.map_err(TransactionError::of_read)?;
        self.settle(&mode, reply.revision);
        Ok(reply)
    }

    /// Reads a page of a range. The request's consistency and cursor are not looked at.
    pub(crate) async fn scan(&self, request: ScanRequest) -> Result<ScanPage, TransactionError> {
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

//! The state machine on SQLite: a bounded in-memory head of recent changes over a SQLite body.
//!
//! * Applying an entry changes the head only (`head`, `tables`, `applier`); the Raft log makes it
//!   durable. Reads merge both (`scan`, `pool`).
//! * When the head is full, or has waited long enough, it is frozen, and the flush thread
//!   (`flusher`, `write`) moves it into the body in one large key-sorted transaction, together with
//!   the applied position, while a new head fills. A change costs the body far less there than in a
//!   transaction of its own: neighbouring keys share a page, and a key that changed often is
//!   written once.
//! * After a crash the body stands at the position of its last flush, and the log is replayed from
//!   there. The log may be purged up to [`StateMachine::flushed`], never further: a flush is on
//!   stable storage when it is counted.
//!
//! Every read is a read *at a revision*, even the newest: it fixes the revision and looks at the
//! head first, then at the body. Should a flush come between, the body is newer than what was seen
//! of the head, and its undo history leads back to the revision; so both orders give one answer,
//! and no lock is held over I/O.
//!
//! When the disk is full or fails, a flush is retried until it succeeds. Reads go on; writes go on
//! until both layers are full, and then wait, as consensus takes an error of apply for the end of
//! the replica.

mod applier;
mod body;
mod build;
mod changed;
mod changes;
mod compact;
mod core;
mod files;
mod flusher;
mod head;
mod head_answers;
mod install;
mod integrity;
mod lease_rows;
mod open;
mod options;
mod pin_rows;
mod pinned;
mod pool;
mod query;
mod registers;
mod scan;
mod snapshot_row;
mod sql;
mod stored;
mod sweep;
mod tables;
mod timer;
mod upgrade;
mod view;
mod warm;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aspen_core::runtime::watch;
use aspen_core::{
    GroupId, Key, KeyValue, LeaseId, ReadReply, Reply, Revision, ScanPage, ScanRequest, SqlError,
    SqlReply, SqlRequest, runtime,
};
use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

pub use body::STATE_FORMAT;
pub use integrity::check_dir;
pub use options::{HEAD_BYTES_MIN, READERS_MAX, StateOptions};

use self::applier::{Applier, ApplyJob};
use self::core::Core;
use self::flusher::FlushJob;
use self::head_answers::HeadAnswers;
use self::pool::{KeysJob, Pool, ReadJob};
use self::query::Queries;
use super::{
    AppliedState, Changes, ChangesRequest, Entry, LeaseFeed, LeaseTerms, LeasedKeys, SnapshotFile,
    SnapshotReader, StateError, StateMachine,
};

/// How often a read of the newest state starts again because compaction overtook it.
const READ_TRIES_MAX: usize = 8;

/// A state machine in memory and SQLite.
pub struct SqliteStateMachine {
    core: Arc<Core>,
    apply: mpsc::Sender<ApplyJob>,
    flush: mpsc::Sender<FlushJob>,
    pool: Pool,
    queries: Queries,
    /// One snapshot is built or installed at a time.
    snapshots: tokio::sync::Mutex<()>,
    incoming: AtomicU64,
}

impl SqliteStateMachine {
    /// Opens the state of `group` in a directory, creating it when there is none, and removes what
    /// interrupted steps left behind. Must run within the async runtime; blocks while it opens.
    ///
    /// # Errors
    /// `Incompatible` when the directory is in use, belongs to another group or was written by a
    /// newer program; `Corrupt` when the database is damaged.
    pub fn open(
        dir: &Path,
        group: GroupId,
        options: StateOptions,
    ) -> Result<Arc<Self>, StateError> {
        open::open(dir, group, options)
    }

    fn new(
        core: Arc<Core>,
        apply: mpsc::Sender<ApplyJob>,
        flush: mpsc::Sender<FlushJob>,
        pool: Pool,
    ) -> Self {
        let snapshots = tokio::sync::Mutex::new(());
        let (queries, incoming) = (Queries::default(), AtomicU64::new(0));
        Self { core, apply, flush, pool, queries, snapshots, incoming }
    }

    /// Waits until the head has room.
    async fn room(&self) -> Result<(), StateError> {
        let mut progress = self.core.progress.subscribe();
        let woken = progress.wait_for(|now| now.closed || !self.core.is_full()).await;
        match woken {
            Ok(now) if !now.closed => Ok(()),
            _ => Err(stopped()),
        }
    }

    /// Looks at the state while no entry is being applied; entries wait meanwhile.
    async fn between_entries<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Core, &mut Applier) -> Result<R, StateError> + Send + 'static,
    ) -> Result<R, StateError> {
        let core = self.core.clone();
        let look = move || {
            let mut applier = core.applier.lock();
            applier.check_running()?;
            look(&core, &mut applier)
        };
        runtime::spawn_blocking(look).await.unwrap_or_else(broken_task)
    }

    async fn ask_flush<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StateError>>) -> FlushJob,
    ) -> Result<T, StateError> {
        let (reply, answer) = oneshot::channel();
        self.flush.send(job(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Keeps what came from the body, for the next who asks.
    fn keep_warm(
        &self,
        replies: &[Result<ReadReply, StateError>],
        places: &[(usize, usize)],
        found: &[Result<Option<KeyValue>, StateError>],
    ) {
        let mut head = self.core.head.write();
        for ((request, _), found) in places.iter().zip(found) {
            if let (Ok(reply), Ok(Some(entry))) = (&replies[*request], found) {
                head.keep_warm(entry, reply.revision);
            }
        }
    }

    async fn read_once(
        &self,
        requests: &[(Vec<Key>, Option<Revision>)],
    ) -> Vec<Result<ReadReply, StateError>> {
        // Answers what the head knows; the rest is wanted from the body.
        let HeadAnswers { mut replies, wanted, places, found } =
            HeadAnswers::new(&self.core.head.read(), requests);
        if wanted.is_empty() {
            return replies;
        }
        let (reply, answer) = oneshot::channel();
        let sent = self.pool.send(ReadJob::Keys(KeysJob { wanted, found, reply })).await;
        let found = match sent {
            Ok(()) => answer.await.map_err(|_| stopped()),
            Err(error) => Err(error),
        };
        let found =
            found.unwrap_or_else(|error| places.iter().map(|_| Err(error.clone())).collect());
        self.keep_warm(&replies, &places, &found);
        for ((request, place), found) in places.into_iter().zip(found) {
            match (found, &mut replies[request]) {
                (Ok(entry), Ok(reply)) => reply.values[place] = entry,
                (Err(error), slot @ Ok(_)) => *slot = Err(error),
                (_, Err(_)) => {}
            }
        }
        replies
    }
}

fn stopped() -> StateError {
    StateError::Stopped("closed".to_owned())
}

/// Whether a read of the newest state was overtaken by compaction, and is worth another try.
fn was_overtaken<T>(at: Option<Revision>, result: &Result<T, StateError>) -> bool {
    at.is_none() && matches!(result, Err(StateError::Compacted { .. }))
}

#[async_trait]
impl StateMachine for SqliteStateMachine {
    fn applied(&self) -> AppliedState {
        self.core.head.read().registers.applied.clone()
    }

    fn revision(&self) -> Revision {
        self.core.head.read().registers.revision
    }

    async fn apply(&self, entries: Vec<Entry>) -> Result<Vec<Vec<Reply>>, StateError> {
        self.room().await?;
        let (reply, answer) = oneshot::channel();
        self.apply.send(ApplyJob { entries, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    async fn read(
        &self,
        requests: Vec<(Vec<Key>, Option<Revision>)>,
    ) -> Vec<Result<ReadReply, StateError>> {
        let mut replies = self.read_once(&requests).await;
        for (request, reply) in requests.into_iter().zip(&mut replies) {
            let mut tries = 1;
            while was_overtaken(request.1, reply) && tries < READ_TRIES_MAX {
                let again = self.read_once(std::slice::from_ref(&request)).await.pop();
                *reply = again.unwrap_or_else(|| Err(stopped()));
                tries += 1;
            }
        }
        replies
    }

    async fn scan(
        &self,
        request: ScanRequest,
        at: Option<Revision>,
    ) -> Result<ScanPage, StateError> {
        let mut tries = 0;
        loop {
            let revision = self.core.head.read().registers.resolve(at)?;
            let (reply, answer) = oneshot::channel();
            self.pool.send(ReadJob::Page(Box::new(request.clone()), revision, reply)).await?;
            let page = answer.await.map_err(|_| stopped())?;
            tries += 1;
            if !was_overtaken(at, &page) || tries == READ_TRIES_MAX {
                return page;
            }
        }
    }

    async fn sql(&self, request: SqlRequest) -> Result<SqlReply, SqlError> {
        self.query(request).await
    }

    async fn changes(&self, request: ChangesRequest) -> Result<Changes, StateError> {
        if let Some(changes) = self.core.head.read().changes(&request)? {
            return Ok(changes);
        }
        let (reply, answer) = oneshot::channel();
        self.pool.send(ReadJob::Changes(Box::new(request), reply)).await?;
        answer.await.map_err(|_| stopped())?
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.core.revisions.subscribe()
    }

    fn lease_feed(&self) -> &LeaseFeed {
        &self.core.leases
    }

    async fn leases(&self) -> Result<Vec<(LeaseId, LeaseTerms)>, StateError> {
        self.between_entries(|_, applier| applier.leases()).await
    }

    async fn leased(
        &self,
        lease: LeaseId,
        keys_max: usize,
    ) -> Result<Option<LeasedKeys>, StateError> {
        self.between_entries(move |core, applier| applier.leased(core, lease, keys_max)).await
    }

    async fn flush(&self) -> Result<AppliedState, StateError> {
        self.ask_flush(FlushJob::Barrier).await
    }

    fn flushed(&self) -> AppliedState {
        self.core.head.read().flushed.clone()
    }

    async fn build_snapshot(&self) -> Result<SnapshotFile, StateError> {
        let _one = self.snapshots.lock().await;
        self.flush().await?;
        let core = self.core.clone();
        runtime::spawn_blocking(move || build::build(&core)).await.unwrap_or_else(broken_task)
    }

    async fn latest_snapshot(&self) -> Result<Option<SnapshotFile>, StateError> {
        Ok(self.core.snapshot.lock().clone())
    }

    fn incoming_path(&self) -> PathBuf {
        self.core.files.incoming(self.incoming.fetch_add(1, Ordering::Relaxed))
    }

    async fn install_snapshot(&self, path: PathBuf) -> Result<AppliedState, StateError> {
        let _one = self.snapshots.lock().await;
        self.ask_flush(|reply| FlushJob::Install(path, reply)).await
    }

    async fn check_integrity(&self) -> Result<Vec<String>, StateError> {
        let _one = self.snapshots.lock().await;
        self.flush().await?;
        let leases = self.between_entries(|core, applier| applier.check_leases(core)).await?;
        let (_, path) = self.core.body();
        let snapshot = self.core.snapshot.lock().clone();
        let check = move || {
            let mut faults = integrity::check_database(&path)?;
            faults.extend(leases);
            let verified = snapshot.map(|file| SnapshotReader::verify(&file.path));
            faults.extend(verified.and_then(Result::err).map(|error| error.to_string()));
            Ok(faults)
        };
        runtime::spawn_blocking(check).await.unwrap_or_else(broken_task)
    }

    fn head_bytes(&self) -> usize {
        self.core.head.read().bytes()
    }

    async fn close(&self) -> Result<(), StateError> {
        self.ask_flush(FlushJob::Close).await
    }
}

fn broken_task<T>(error: std::io::Error) -> Result<T, StateError> {
    Err(StateError::Stopped(error.to_string()))
}

#[cfg(test)]
mod tests;

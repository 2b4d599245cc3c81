//! The flush thread: the only writer of the body.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use aspen_core::Key;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::compact::compact_chunk;
use super::core::Core;
use super::head::Frozen;
use super::install;
use super::registers::Registers;
use super::sql::from_sql;
use super::sweep::Sweep;
use super::write::write_frozen;
use crate::state::fault_point::FaultPoint;
use crate::state::{AppliedState, StateError};

/// What is asked of the flush thread.
pub(super) enum FlushJob {
    /// The head was frozen because it is full.
    Frozen,
    /// Changes have waited long enough.
    Due,
    /// Make everything applied so far durable.
    Barrier(oneshot::Sender<Result<AppliedState, StateError>>),
    /// Replace the state by a snapshot.
    Install(PathBuf, oneshot::Sender<Result<AppliedState, StateError>>),
    /// Flush, let go of the files and stop.
    Close(oneshot::Sender<Result<(), StateError>>),
}

/// Compaction chunks after one flush: more keep up with any writer, and the bound keeps the next
/// flush from waiting.
const CHUNKS_PER_FLUSH_MAX: usize = 64;

/// Pages in the write-ahead log that are worth a checkpoint: 64 MB. More lets a page that changes
/// again and again be copied once; fewer keep the log short, and with it opening after a crash.
/// Unit tests, which write little, have checkpoints too.
const CHECKPOINT_PAGES: usize = if cfg!(test) { 64 } else { 16_000 };

/// Undo rows that share a page, roughly; they are appended.
const UNDO_ROWS_PER_PAGE: usize = 8;

/// Keys that become warm under one hold of the lock: some 100 microseconds.
const WARM_STRETCH_KEYS: usize = 256;

/// The flush thread's own state.
pub(super) struct Flusher {
    core: Weak<Core>,
    /// `None` once closed.
    writer: Option<Connection>,
    /// Pages written to the write-ahead log since the last checkpoint, at most.
    wal_pages: usize,
    /// Removes what was kept for pins that have ended.
    sweep: Sweep,
}

impl Flusher {
    pub(super) fn new(core: &Arc<Core>, writer: Connection) -> Self {
        Self { core: Arc::downgrade(core), writer: Some(writer), wal_pages: 0, sweep: Sweep::new() }
    }

    /// One step of the flush thread.
    pub(super) fn step(&mut self, jobs: &mut Vec<FlushJob>) {
        // Nobody is left to flush for; the log holds what the body does not.
        let Some(core) = self.core.upgrade() else { return };
        for job in jobs.drain(..) {
            self.run(&core, job);
        }
        if let Err(error) = self.maintain(&core) {
            tracing::warn!(%error, group = %core.group, "state maintenance failed; will retry");
        }
    }

    fn run(&mut self, core: &Core, job: FlushJob) {
        // Whoever asked may have gone, so results of sending do not matter.
        match job {
            FlushJob::Frozen => self.report(core, |it| it.flush_full(core)),
            FlushJob::Due => self.report(core, |it| it.flush_all(core)),
            FlushJob::Barrier(reply) => {
                let mut result = Ok(AppliedState::default());
                self.report(core, |it| {
                    result = it.flush_all(core).map(|()| core.head.read().flushed.clone());
                    result.clone().map(|_| ())
                });
                let _ = reply.send(result);
            }
            FlushJob::Install(path, reply) => {
                let result = install::install(core, &mut self.writer, &path);
                self.sweep = Sweep::new();
                self.report(core, |_| Ok(()));
                let _ = reply.send(result);
            }
            FlushJob::Close(reply) => {
                let result = self.flush_all(core);
                self.close(core);
                let _ = reply.send(result);
            }
        }
    }

    /// Runs a flush and tells everyone how it went.
    fn report(&mut self, core: &Core, flush: impl FnOnce(&mut Self) -> Result<(), StateError>) {
        let result = flush(self);
        if let Err(error) = &result {
            tracing::warn!(%error, group = %core.group, "flush failed; will retry");
        }
        core.announce(result.is_err());
    }

    /// Flushes the frozen layer, and further ones as long as the head fills faster.
    fn flush_full(&mut self, core: &Core) -> Result<(), StateError> {
        while let Some(frozen) = core.frozen() {
            self.flush(core, frozen)?;
            let mut applier = core.applier.lock();
            let mut head = core.head.write();
            if head.active.bytes() >= core.options.head_bytes_max {
                applier.freeze(&mut head);
            }
        }
        Ok(())
    }

    /// Flushes everything that is applied by now.
    fn flush_all(&mut self, core: &Core) -> Result<(), StateError> {
        if let Some(frozen) = core.frozen() {
            self.flush(core, frozen)?;
        }
        let rest = {
            let mut applier = core.applier.lock();
            applier.check_running()?;
            applier.freeze(&mut core.head.write())
        };
        match rest {
            Some(frozen) => self.flush(core, frozen),
            None => Ok(()),
        }
    }

    /// Writes one frozen layer and lets it go. A failure keeps it, for the next try.
    fn flush(&mut self, core: &Core, frozen: Arc<Frozen>) -> Result<(), StateError> {
        let writer = self.writer.as_ref().ok_or_else(closed)?;
        // Warm versions are those of the body until the layer has reached it.
        let known = |key: &Key| core.head.read().warm.get(key).cloned();
        write_frozen(writer, &frozen, &known)?;
        FaultPoint::FlushCommitted.reach();
        self.wal_pages += pages_written(writer, &frozen)?;
        keep_warm(core, &frozen);
        let layer = {
            let mut head = core.head.write();
            // The body first, the head second: a reader finds every change in one of them.
            head.flushed = frozen.registers.applied.clone();
            head.body_revision = frozen.registers.revision;
            head.frozen.take()
        };
        core.announce(false);
        FaultPoint::FlushShown.reach();
        // Freeing a large layer takes a while; nobody waits for it here.
        drop((layer, frozen));
        Ok(())
    }

    /// Removes what the horizon has passed and copies the write-ahead log into the database.
    fn maintain(&mut self, core: &Core) -> Result<(), StateError> {
        let Some(writer) = &self.writer else { return Ok(()) };
        let Registers { horizon, pins, .. } = Registers::load(writer)?;
        for _ in 0..CHUNKS_PER_FLUSH_MAX {
            if core.is_full() || !compact_chunk(writer, horizon, &pins)? {
                break;
            }
        }
        for _ in 0..CHUNKS_PER_FLUSH_MAX {
            if core.is_full() || !self.sweep.chunk(writer, &pins)? {
                break;
            }
        }
        if self.wal_pages >= CHECKPOINT_PAGES && checkpoint(writer)? {
            self.wal_pages = 0;
        }
        Ok(())
    }

    fn close(&mut self, core: &Core) {
        core.applier.lock().stop("closed");
        self.writer = None;
        core.lock.lock().take();
        core.progress.send_modify(|progress| {
            progress.closed = true;
            progress.flushes += 1;
        });
    }
}

/// Keeps the layer's newest versions in memory. They are shadowed by the layer until it is let go,
/// and the lock is held for a stretch at a time, so nobody notices.
fn keep_warm(core: &Core, frozen: &Frozen) {
    let keys: Vec<_> = frozen.layer.keys.iter().collect();
    for stretch in keys.chunks(WARM_STRETCH_KEYS) {
        core.head.write().absorb(stretch);
    }
}

/// How many pages a flush wrote, at most: every key on a page of its own, as far as the database
/// has pages.
fn pages_written(writer: &Connection, frozen: &Frozen) -> Result<usize, StateError> {
    let pages: u32 =
        writer.pragma_query_value(None, "page_count", |row| row.get(0)).map_err(from_sql)?;
    let keys = frozen.layer.keys.len().min(pages as usize);
    Ok(keys + frozen.layer.changes() / UNDO_ROWS_PER_PAGE)
}

/// Copies the write-ahead log into the database, as far as no reader needs the old pages; answers
/// whether all of it was copied.
fn checkpoint(writer: &Connection) -> Result<bool, StateError> {
    FaultPoint::CheckpointBegun.reach();
    let copied = writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
    });
    FaultPoint::CheckpointDone.reach();
    copied.map_err(from_sql)
}

fn closed() -> StateError {
    StateError::Stopped("closed".to_owned())
}

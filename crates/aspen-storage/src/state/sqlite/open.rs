//! Opening a group's state.

use std::path::Path;
use std::sync::Arc;

use aspen_core::GroupId;
use aspen_core::runtime::{self, watch};
use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::applier::{self, Applier};
use super::body::{self, Role, foreign};
use super::core::{Core, Progress};
use super::files::{Files, LOCK_TRIES};
use super::flusher::Flusher;
use super::head::Head;
use super::install::{finish, group_state};
use super::pool::Pool;
use super::registers::Registers;
use super::upgrade::upgrade;
use super::{SqliteStateMachine, StateOptions, timer};
use crate::state::error::{from_io, sync_parent};
use crate::state::fault_point::FaultPoint;
use crate::state::{LeaseFeed, StateError};

/// Apply calls that may wait; consensus has one under way, so this never fills.
const APPLY_QUEUE_MAX: usize = 64;

/// Apply calls that one step takes.
const APPLY_BATCH_MAX: usize = 16;

/// Requests that may wait for the flush thread.
const FLUSH_QUEUE_MAX: usize = 64;

/// The file's first generation.
const GENERATION_FIRST: u64 = 1;

pub(super) fn open(
    dir: &Path,
    group: GroupId,
    options: StateOptions,
) -> Result<Arc<SqliteStateMachine>, StateError> {
    options.validate()?;
    let files = Files::new(dir);
    files.create()?;
    let lock = files.lock(LOCK_TRIES)?;
    let generation = existing_or_new(&files, group)?;
    files.clean(generation)?;
    let snapshot = files.newest_snapshot()?;
    let path = files.database(generation);
    let (writer, registers) = open_database(&path, group, &options)?;
    let reader = body::open(&path, Role::Reader, &options)?;
    let applier =
        Applier::new(group_state(&writer, &registers)?, registers.applied.clone(), reader);
    let revisions = watch::Sender::new(registers.revision);
    let head = Head::new(registers, generation, &options);
    let core = Arc::new(Core {
        group,
        options,
        files,
        head: RwLock::new(head),
        applier: Mutex::new(applier),
        revisions,
        leases: LeaseFeed::default(),
        progress: watch::Sender::new(Progress::default()),
        snapshot: Mutex::new(snapshot),
        lock: Mutex::new(Some(lock)),
    });
    start(core, writer)
}

fn existing_or_new(files: &Files, group: GroupId) -> Result<u64, StateError> {
    if let Some(generation) = files.generation()? {
        return Ok(generation);
    }
    let building = files.building(GENERATION_FIRST);
    super::files::remove(&building)?;
    // A write-ahead log whose database was moved away would be replayed into the new one.
    files.remove_database(GENERATION_FIRST)?;
    finish(body::create(&building, group)?, &building)?;
    FaultPoint::CreateSynced.reach();
    let path = files.database(GENERATION_FIRST);
    std::fs::rename(&building, &path).map_err(|error| from_io(&path, &error))?;
    FaultPoint::CreateNamed.reach();
    sync_parent(&path)?;
    Ok(GENERATION_FIRST)
}

fn open_database(
    path: &Path,
    group: GroupId,
    options: &StateOptions,
) -> Result<(Connection, Registers), StateError> {
    let explain = |error| match error {
        StateError::Corrupt(what) => foreign(path, &what),
        other => other,
    };
    let writer = body::open(path, Role::Writer, options).map_err(explain)?;
    let format = body::check_identity(&writer, path, Some(group))?;
    upgrade(&writer, format)?;
    let registers = Registers::load(&writer).map_err(explain)?;
    Ok((writer, registers))
}

fn start(core: Arc<Core>, writer: Connection) -> Result<Arc<SqliteStateMachine>, StateError> {
    let thread = |error: std::io::Error| StateError::Io(format!("state thread: {error}"));
    let mut flusher = Flusher::new(&core, writer);
    let flush = runtime::spawn_background_worker("state-flush", FLUSH_QUEUE_MAX, 1, move |jobs| {
        flusher.step(jobs);
    })
    .map_err(thread)?;
    let (shared, to_flush) = (core.clone(), flush.clone());
    let apply: mpsc::Sender<_> =
        runtime::spawn_worker("state-apply", APPLY_QUEUE_MAX, APPLY_BATCH_MAX, move |jobs| {
            applier::step(&shared, &to_flush, jobs);
        })
        .map_err(thread)?;
    let pool = Pool::start(&core)?;
    timer::start(&core, flush.downgrade());
    Ok(Arc::new(SqliteStateMachine::new(core, apply, flush, pool)))
}

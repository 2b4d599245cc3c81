//! What survives when a memory state machine restarts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aspen_core::runtime::watch;
use aspen_core::{GroupId, Revision};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::state::{AppliedState, MemoryTables, SnapshotFile, StateError, Tables};

/// The durable half of a memory state machine. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryDisk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    group: GroupId,
    dir: PathBuf,
    state: RwLock<DiskState>,
}

/// What the disk holds.
#[derive(Debug, Default)]
pub(super) struct DiskState {
    pub(super) tables: MemoryTables,
    pub(super) applied: AppliedState,
    /// The newest snapshot, and the one before it, which a transfer may still be reading.
    pub(super) snapshots: Vec<SnapshotFile>,
    /// How many files have been named, so that no name is used twice.
    files: u64,
    /// Which opening owns the disk. Machines of earlier openings have stopped.
    opening: u64,
}

impl MemoryDisk {
    /// An empty disk of a group; snapshot files go to `dir`.
    pub fn new(group: GroupId, dir: impl Into<PathBuf>) -> Self {
        let shared = Shared { group, dir: dir.into(), state: RwLock::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Whose state it holds.
    pub fn group(&self) -> GroupId {
        self.shared.group
    }

    /// Takes the disk over from whoever had it; removes what interrupted transfers left behind.
    pub(super) fn open(&self) -> Opening {
        let mut state = self.shared.state.write();
        state.opening += 1;
        remove_leftovers(&self.shared.dir);
        let revisions = watch::Sender::new(state.tables.group().revision);
        Opening { disk: self.clone(), number: state.opening, revisions }
    }
}

/// One opening of a disk.
#[derive(Debug)]
pub(super) struct Opening {
    disk: MemoryDisk,
    number: u64,
    revisions: watch::Sender<Revision>,
}

impl Opening {
    pub(super) fn disk(&self) -> &MemoryDisk {
        &self.disk
    }

    /// The state's revision, as it moves.
    pub(super) fn revisions(&self) -> watch::Receiver<Revision> {
        self.revisions.subscribe()
    }

    /// Tells watchers which revision the state has.
    pub(super) fn announce(&self, state: &DiskState) {
        let revision = state.tables.group().revision;
        self.revisions.send_if_modified(|seen| std::mem::replace(seen, revision) != revision);
    }

    /// The state for what cannot fail.
    pub(super) fn peek(&self) -> RwLockReadGuard<'_, DiskState> {
        self.disk.shared.state.read()
    }

    /// The state, to read.
    pub(super) fn state(&self) -> Result<RwLockReadGuard<'_, DiskState>, StateError> {
        let state = self.peek();
        self.check(state.opening)?;
        Ok(state)
    }

    /// The state, to change.
    pub(super) fn state_mut(&self) -> Result<RwLockWriteGuard<'_, DiskState>, StateError> {
        let state = self.disk.shared.state.write();
        self.check(state.opening)?;
        Ok(state)
    }

    fn check(&self, current: u64) -> Result<(), StateError> {
        match current == self.number {
            true => Ok(()),
            false => Err(StateError::Stopped("closed, or opened again elsewhere".to_owned())),
        }
    }

    /// Gives the disk up; nothing happens when another opening has it already.
    pub(super) fn close(&self) {
        if let Ok(mut state) = self.state_mut() {
            state.opening += 1;
        }
    }

    /// A file name in the snapshot directory that was never used before.
    pub(super) fn fresh_path(&self, purpose: &str) -> PathBuf {
        let mut state = self.disk.shared.state.write();
        state.files += 1;
        // A failure shows, with its reason, when the file is created.
        let _ = fs::create_dir_all(&self.disk.shared.dir);
        self.disk.shared.dir.join(format!("{purpose}-{}", state.files))
    }
}

impl DiskState {
    /// Makes a finished file the newest snapshot and removes those that no one reads any more.
    pub(super) fn keep_snapshot(&mut self, file: SnapshotFile) {
        self.snapshots.insert(0, file);
        for old in self.snapshots.split_off(self.snapshots.len().min(2)) {
            // A file that stays behind costs only space.
            let _ = fs::remove_file(old.path);
        }
    }
}

/// Removes incoming and half-written files. A directory that is not there yet has none.
fn remove_leftovers(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if name.starts_with("incoming-") || name.ends_with(".tmp") {
            let _ = fs::remove_file(&path);
        }
    }
}

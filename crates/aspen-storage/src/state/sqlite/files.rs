//! The files of one group's state.
//!
//! `state-<generation>.db` is the database; installing a snapshot writes the next generation beside
//! it and gives it its name when it is complete, so that at any instant the highest generation is a
//! whole state. `snapshots/` holds the newest snapshot and what is being received. Whatever else an
//! interrupted step left is removed at open.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::state::error::{from_io, sync_parent};
use crate::state::fault_point::FaultPoint;
use crate::state::{SnapshotFile, SnapshotReader, StateError};

/// How often opening tries the lock. In the simulator all is one thread: nobody could let go.
pub(super) const LOCK_TRIES: u32 = if cfg!(madsim) { 1 } else { 100 };

/// How long between two tries, in milliseconds.
const LOCK_WAIT_MS: u64 = 50;

/// Where a group's files are.
#[derive(Clone, Debug)]
pub(super) struct Files {
    dir: PathBuf,
}

impl Files {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(super) fn database(&self, generation: u64) -> PathBuf {
        self.dir.join(format!("state-{generation}.db"))
    }

    /// Where the next generation is built.
    pub(super) fn building(&self, generation: u64) -> PathBuf {
        self.dir.join(format!("state-{generation}.db.tmp"))
    }

    pub(super) fn snapshots(&self) -> PathBuf {
        self.dir.join("snapshots")
    }

    pub(super) fn snapshot(&self, index: u64) -> PathBuf {
        self.snapshots().join(format!("{index:020}.snapshot"))
    }

    pub(super) fn incoming(&self, number: u64) -> PathBuf {
        self.snapshots().join(format!("incoming-{number}"))
    }

    /// Creates the directories.
    pub(super) fn create(&self) -> Result<(), StateError> {
        let snapshots = self.snapshots();
        fs::create_dir_all(&snapshots).map_err(|error| from_io(&snapshots, &error))?;
        sync_parent(&snapshots)?;
        sync_parent(&self.dir)
    }

    /// Locks the directory against a second user, until the file is dropped. Tries several times,
    /// for a predecessor in this process may be about to let go.
    pub(super) fn lock(&self, mut tries: u32) -> Result<File, StateError> {
        let path = self.dir.join("state.lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| from_io(&path, &error))?;
        loop {
            tries = tries.saturating_sub(1);
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) if tries > 0 => pause(),
                Err(error) => {
                    return Err(StateError::Incompatible(format!(
                        "{} is in use by another process or state machine: {error}",
                        self.dir.display()
                    )));
                }
            }
        }
    }

    /// The highest generation there is.
    pub(super) fn generation(&self) -> Result<Option<u64>, StateError> {
        let names = names(&self.dir)?;
        Ok(names.iter().filter_map(|name| generation_of(name)).max())
    }

    /// Removes what interrupted steps left, and all generations but `keep`.
    pub(super) fn clean(&self, keep: u64) -> Result<(), StateError> {
        for name in names(&self.dir)? {
            let stem = name.trim_end_matches("-wal").trim_end_matches("-shm");
            let old = generation_of(stem).is_some_and(|generation| generation != keep);
            if old || (name.starts_with("state-") && name.contains(".db.tmp")) {
                remove(&self.dir.join(&name))?;
                FaultPoint::LeftoverRemoved.reach();
            }
        }
        for name in names(&self.snapshots())? {
            if !name.ends_with(".snapshot") {
                remove(&self.snapshots().join(&name))?;
                FaultPoint::LeftoverRemoved.reach();
            }
        }
        Ok(())
    }

    /// Removes one generation's files.
    pub(super) fn remove_database(&self, generation: u64) -> Result<(), StateError> {
        let path = self.database(generation);
        for suffix in ["", "-wal", "-shm"] {
            let mut file = path.as_os_str().to_owned();
            file.push(suffix);
            remove(Path::new(&file))?;
            FaultPoint::ReplacedRemoved.reach();
        }
        Ok(())
    }

    /// The newest complete snapshot with a sound header.
    pub(super) fn newest_snapshot(&self) -> Result<Option<SnapshotFile>, StateError> {
        let mut names = self.snapshot_names()?;
        names.sort();
        let readable = names.iter().rev().find_map(|name| {
            SnapshotReader::open(&self.snapshots().join(name))
                .map_err(|error| tracing::warn!(%error, name, "snapshot is unreadable"))
                .ok()
        });
        Ok(readable.map(|reader| reader.to_file()))
    }

    /// Removes every complete snapshot but one. A reader that has one open keeps reading it.
    pub(super) fn remove_other_snapshots(&self, keep: &Path) -> Result<(), StateError> {
        for name in self.snapshot_names()? {
            let path = self.snapshots().join(name);
            if path != keep {
                remove(&path)?;
            }
        }
        Ok(())
    }

    pub(super) fn snapshot_names(&self) -> Result<Vec<String>, StateError> {
        let mut names = names(&self.snapshots())?;
        names.retain(|name| name.ends_with(".snapshot"));
        Ok(names)
    }
}

fn generation_of(name: &str) -> Option<u64> {
    name.strip_prefix("state-")?.strip_suffix(".db")?.parse().ok()
}

fn names(dir: &Path) -> Result<Vec<String>, StateError> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(dir).map_err(|error| from_io(dir, &error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| from_io(dir, &error))?;
        names.extend(entry.file_name().into_string().ok());
    }
    Ok(names)
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> Result<(), StateError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(from_io(path, &error)),
        _ => Ok(()),
    }
}

/// Waits a moment on the opening thread: opening is blocking as a whole.
fn pause() {
    let nothing = parking_lot::Mutex::new(());
    let wait = std::time::Duration::from_millis(LOCK_WAIT_MS);
    let _ = parking_lot::Condvar::new().wait_for(&mut nothing.lock(), wait);
}

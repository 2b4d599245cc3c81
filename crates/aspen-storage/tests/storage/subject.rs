//! The state machines that are compared with the model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aspen_core::GroupId;
use aspen_storage::state::{HEAD_BYTES_MIN, SqliteStateMachine, StateOptions};
use aspen_storage::{MemoryDisk, MemoryStateMachine, StateMachine};

/// A state machine that can be killed and started again.
pub(crate) trait Subject: Sized {
    /// An empty replica that keeps its files in `dir`.
    fn create(dir: &Path) -> Self;

    /// The running state machine.
    fn machine(&self) -> &dyn StateMachine;

    /// Kills it, keeping only what is durable, and starts it again.
    async fn restart(self) -> Self;
}

pub(crate) struct Memory {
    disk: MemoryDisk,
    machine: Arc<MemoryStateMachine>,
}

impl Subject for Memory {
    fn create(dir: &Path) -> Self {
        let disk = MemoryDisk::new(GroupId::META, dir);
        Self { machine: MemoryStateMachine::open(&disk), disk }
    }

    fn machine(&self) -> &dyn StateMachine {
        &*self.machine
    }

    async fn restart(self) -> Self {
        Self { machine: MemoryStateMachine::open(&self.disk), disk: self.disk }
    }
}

/// SQLite with the smallest head, so that reads find their keys on both sides of a flush.
pub(crate) struct Sqlite {
    dir: PathBuf,
    machine: Arc<SqliteStateMachine>,
}

impl Sqlite {
    fn open(dir: PathBuf) -> Self {
        let options = StateOptions { head_bytes_max: HEAD_BYTES_MIN, ..StateOptions::default() };
        let machine = SqliteStateMachine::open(&dir, GroupId::META, options).unwrap();
        Self { dir, machine }
    }
}

impl Subject for Sqlite {
    fn create(dir: &Path) -> Self {
        Self::open(dir.to_owned())
    }

    fn machine(&self) -> &dyn StateMachine {
        &*self.machine
    }

    /// Dropped without `close`, it flushes nothing more.
    async fn restart(self) -> Self {
        drop(self.machine);
        Self::open(self.dir)
    }
}

//! Where a node's state machines live beyond its processes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aspen_core::{GroupId, NodeId};
use aspen_node::compose::GROUPS;
use aspen_storage::{MemoryDisk, MemoryStateMachine, SqliteStateMachine, StateError, StateMachine};

use super::cluster::Crash;
use super::files;
use super::setup::StateKind;

/// The state machines' disks of one node.
pub(crate) struct States {
    kind: StateKind,
    root: PathBuf,
    memory: BTreeMap<GroupId, MemoryDisk>,
    /// Which copy of the directory is the node's disk.
    copy: u64,
}

impl States {
    /// Empty disks below `root`.
    pub(crate) fn new(kind: StateKind, node: NodeId, root: &Path) -> Self {
        let root = root.join(format!("node-{node}"));
        let memory = |group: GroupId| (group, MemoryDisk::new(group, root.join(group.to_string())));
        let memory = GROUPS.into_iter().map(memory).collect();
        let states = Self { kind, root, memory, copy: 0 };
        files::watch(&states.directory());
        states
    }

    /// Opens a group's state machine; blocks, and must run in a task of the node.
    pub(crate) fn open(&self, group: GroupId) -> Result<Arc<dyn StateMachine>, StateError> {
        match &self.kind {
            StateKind::Memory => Ok(MemoryStateMachine::open(&self.memory[&group])),
            StateKind::Sqlite(options) => {
                let directory = self.directory().join(group.to_string());
                Ok(SqliteStateMachine::open(&directory, group, options.clone())?)
            }
        }
    }

    /// The process is about to die. It still closes its files in order, as no killed process would;
    /// so its successor goes on with a copy of what there is now.
    pub(crate) fn process_dies(&mut self, how: Crash) {
        if matches!(self.kind, StateKind::Memory) {
            return;
        }
        let from = self.directory();
        self.copy += 1;
        let to = self.directory();
        match how {
            Crash::Killed => files::copy_after_kill(&from, &to),
            Crash::PowerFailed => files::copy_after_power_failure(&from, &to),
        }
        files::watch(&to);
    }

    /// Lets the power fail after so many more changes of files; `None` calls it off.
    pub(crate) fn set_power_failure(&self, after: Option<u64>) {
        files::set_power_failure(&self.directory(), after);
    }

    /// Whether it has failed under the running process.
    pub(crate) fn power_has_failed(&self) -> bool {
        files::has_failed(&self.directory())
    }

    fn directory(&self) -> PathBuf {
        self.root.join(format!("copy-{}", self.copy))
    }
}

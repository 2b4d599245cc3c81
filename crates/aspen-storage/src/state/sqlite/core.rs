//! What the threads of one state machine share.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use aspen_core::runtime::watch;
use aspen_core::{GroupId, Revision};
use parking_lot::{Mutex, RwLock};

use super::applier::Applier;
use super::files::Files;
use super::head::{Frozen, Head};
use super::options::StateOptions;
use crate::state::{LeaseFeed, SnapshotFile};

/// Shared by the apply thread, the flush thread, the readers and the callers.
///
/// Lock order: `applier` before `head`. `head` is held for moments, never over I/O.
pub(super) struct Core {
    pub(super) group: GroupId,
    pub(super) options: StateOptions,
    pub(super) files: Files,
    pub(super) head: RwLock<Head>,
    pub(super) applier: Mutex<Applier>,
    /// The revision that readers see.
    pub(super) revisions: watch::Sender<Revision>,
    /// Tells whoever keeps deadlines of leases.
    pub(super) leases: LeaseFeed,
    /// What waits for a flush watches this.
    pub(super) progress: watch::Sender<Progress>,
    /// The newest complete snapshot.
    pub(super) snapshot: Mutex<Option<SnapshotFile>>,
    /// Held while the directory is ours.
    pub(super) lock: Mutex<Option<File>>,
}

/// How flushing goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Changes that the body does not hold.
    pub(super) dirty: bool,
    /// The last flush failed; it will be tried again.
    pub(super) failing: bool,
    /// The state machine is closed.
    pub(super) closed: bool,
    /// How many flushes have ended: any change wakes who waits.
    pub(super) flushes: u64,
}

impl Core {
    /// The file that is the body now, and its generation.
    pub(super) fn body(&self) -> (u64, PathBuf) {
        let generation = self.head.read().generation;
        (generation, self.files.database(generation))
    }

    pub(super) fn frozen(&self) -> Option<Arc<Frozen>> {
        self.head.read().frozen.clone()
    }

    pub(super) fn is_full(&self) -> bool {
        self.head.read().is_full(self.options.head_bytes_max)
    }

    /// Tells watchers which revision readers see.
    pub(super) fn announce_revision(&self) {
        let revision = self.head.read().registers.revision;
        self.revisions.send_if_modified(|seen| std::mem::replace(seen, revision) != revision);
    }

    /// Tells everyone who waits that a flush has ended.
    pub(super) fn announce(&self, failing: bool) {
        self.progress.send_modify(|progress| {
            let head = self.head.read();
            progress.dirty = head.flushed != head.registers.applied;
            progress.failing = failing;
            progress.flushes += 1;
        });
    }
}

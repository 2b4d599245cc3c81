//! The steps at whose borders the process may die: a test stops it there, or looks at its files.
//! Nothing of this is in any other build.

/// A step that has just ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FaultPoint {
    /// A new database is complete, and has not got its name.
    CreateSynced,
    /// It has its name, perhaps not durably.
    CreateNamed,
    /// A leftover was removed.
    LeftoverRemoved,
    /// A flush has written its rows, and not committed them.
    FlushWritten,
    /// A flush is on stable storage, and nobody knows it yet.
    FlushCommitted,
    /// A flush is counted.
    FlushShown,
    /// A chunk of history is removed, and the removal not committed.
    CompactWritten,
    /// It is committed, and not synced.
    CompactCommitted,
    /// The write-ahead log is about to be copied into the database.
    CheckpointBegun,
    /// It was copied, as far as readers allowed.
    CheckpointDone,
    /// A snapshot has got a row.
    SnapshotRow,
    /// A snapshot is complete, and not synced.
    SnapshotWritten,
    /// It is synced, and has not got its name.
    SnapshotSynced,
    /// It has its name, perhaps not durably.
    SnapshotNamed,
    /// It is durable, and older ones are still there.
    SnapshotShown,
    /// An installation has loaded a row.
    InstallRow,
    /// All rows are loaded, and not committed.
    InstallLoaded,
    /// The next database is complete, and has not got its name.
    InstallSynced,
    /// It has its name, perhaps not durably.
    InstallNamed,
    /// It is in force.
    InstallSwitched,
    /// The file it came from is kept as the newest snapshot.
    InstallKept,
    /// A file of the replaced database was removed.
    ReplacedRemoved,
}

impl FaultPoint {
    /// Says that the step has ended.
    #[cfg(not(test))]
    pub(super) fn reach(self) {}

    /// Says that the step has ended.
    #[cfg(test)]
    pub(super) fn reach(self) {
        if let Some(hook) = HOOK.get() {
            hook(self);
        }
    }

    /// Calls `hook` at every point of this process from now on. Only for processes that a test has
    /// started for this.
    #[cfg(test)]
    pub(super) fn arm(hook: impl Fn(Self) + Send + Sync + 'static) {
        assert!(HOOK.set(Box::new(hook)).is_ok(), "one hook a process");
    }
}

#[cfg(test)]
type Hook = Box<dyn Fn(FaultPoint) + Send + Sync>;

#[cfg(test)]
static HOOK: std::sync::OnceLock<Hook> = std::sync::OnceLock::new();

//! What the writer, the groups' handles and the readers of one log file share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use aspen_core::GroupId;
use parking_lot::{Mutex, RwLock};
use redb::{Database, ReadableDatabase};
use tokio::sync::mpsc::WeakSender;

use super::header::{ENTRIES, Stamp};
use super::metrics::Counters;
use super::options::LogOptions;
use super::plan::Plan;
use super::recovery::Recovered;
use super::request::{Group, Request};
use super::row::{self, Kind};
use super::slots::Slot;
use super::sweep::Sweep;
use super::view::View;
use super::{LogError, LogRecord};

/// Free bytes of the medium; `None` when unknown.
pub(super) type FreeBytes = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// The shared state. Locks are taken in the order of the fields and held for moments only, except
/// `database`, which is read-locked during input and output and write-locked to close the file.
pub(super) struct Core {
    pub(super) options: LogOptions,
    pub(super) database: RwLock<Option<Database>>,
    groups: Mutex<BTreeMap<GroupId, Arc<Group>>>,
    /// Groups whose purge marker is newer in memory than in the file.
    unsaved: Mutex<BTreeSet<GroupId>>,
    /// Groups whose committed position is.
    committed: Mutex<BTreeSet<GroupId>>,
    pub(super) sweep: Mutex<Sweep>,
    pub(super) stamp: Mutex<Option<Stamp>>,
    pub(super) counters: Counters,
    pub(super) free_bytes: FreeBytes,
    stopped: OnceLock<String>,
    /// Weak, since the writer ends when the last sender is gone, and the writer holds this.
    waker: OnceLock<WeakSender<Request>>,
    /// A wake is under way.
    awake: AtomicBool,
}

impl Core {
    /// Takes over an opened file.
    pub(super) fn new(
        database: Database,
        recovered: Recovered,
        options: LogOptions,
        free_bytes: FreeBytes,
    ) -> Self {
        let group = |(id, view)| (id, Group::new(id, view));
        Self {
            options,
            database: RwLock::new(Some(database)),
            groups: Mutex::new(recovered.groups.into_iter().map(group).collect()),
            unsaved: Mutex::default(),
            committed: Mutex::default(),
            sweep: Mutex::new(recovered.sweep),
            stamp: Mutex::new(recovered.stamp),
            counters: Counters::default(),
            free_bytes,
            stopped: OnceLock::new(),
            waker: OnceLock::new(),
            awake: AtomicBool::new(false),
        }
    }

    /// The group, created when the file holds nothing of it.
    pub(super) fn group(&self, id: GroupId) -> Arc<Group> {
        let mut groups = self.groups.lock();
        Arc::clone(groups.entry(id).or_insert_with(|| Group::new(id, View::default())))
    }

    /// Why no write is taken any more.
    pub(super) fn stopped(&self) -> Result<(), LogError> {
        match self.stopped.get() {
            Some(reason) => Err(LogError::Stopped(reason.clone())),
            None => Ok(()),
        }
    }

    /// Takes no write from now on; the first reason stays.
    pub(super) fn stop(&self, reason: String) {
        self.stopped.get_or_init(|| reason);
    }

    /// The next commit shall save the group's purge marker and committed position.
    pub(super) fn mark_unsaved(&self, group: GroupId) {
        self.unsaved.lock().insert(group);
    }

    /// The next commit that writes metadata anyway shall save the group's committed position. One
    /// moves with almost every append, and would make every commit copy the pages of a second
    /// table; losing it costs a restarted replica a word from its leader.
    pub(super) fn mark_committed(&self, group: GroupId) {
        self.committed.lock().insert(group);
    }

    /// Adds to the plan what was only kept in memory.
    pub(super) fn save_kept(&self, plan: &mut Plan) {
        let mut unsaved = std::mem::take(&mut *self.unsaved.lock());
        if plan.flush || plan.inserts.is_empty() || !plan.metadata.is_empty() || !unsaved.is_empty()
        {
            unsaved.append(&mut self.committed.lock());
        }
        for id in unsaved {
            let group = self.group(id);
            let view = group.view.lock();
            let purged =
                view.purged.as_ref().map(|(upto, marker)| row::encode_purged(*upto, marker));
            let committed = view.committed.as_ref().map(|committed| committed.to_vec());
            for (kind, body) in [(Kind::Purged, purged), (Kind::Committed, committed)] {
                let key = row::metadata_key(id, kind);
                let value = body.map(|body| row::seal(&key.to_be_bytes(), &body));
                plan.metadata.insert(key, value);
            }
        }
    }

    /// Reads the entries of slots.
    pub(super) fn read(
        &self,
        group: GroupId,
        slots: &[(u64, Slot)],
    ) -> Result<Vec<LogRecord>, LogError> {
        let database = self.database.read();
        let database = database.as_ref().ok_or_else(closed)?;
        let entries = database.begin_read()?.open_table(ENTRIES)?;
        let record = |&(index, slot): &(u64, Slot)| {
            let sequence = slot.sequence;
            let value = entries.get(sequence)?.ok_or_else(|| {
                LogError::Corrupt(format!("entry row {sequence} ({group}/{index}) is missing"))
            })?;
            row::decode_record(sequence, value.value(), group, index)
        };
        slots.iter().map(record).collect()
    }

    /// Lets [`Core::wake`] reach the writer.
    pub(super) fn set_waker(&self, sender: WeakSender<Request>) {
        self.waker.get_or_init(|| sender);
    }

    /// Makes the writer run a step soon. When its queue is full it is about to run anyway, and
    /// wakes itself again afterwards.
    pub(super) fn wake(&self) {
        if self.awake.swap(true, Ordering::AcqRel) {
            return;
        }
        let sender = self.waker.get().and_then(WeakSender::upgrade);
        let sent = sender.map(|sender| sender.try_send(Request::Wake));
        if !matches!(sent, Some(Ok(()))) {
            self.awake.store(false, Ordering::Release);
        }
    }

    /// The writer got its wake.
    pub(super) fn woken(&self) {
        self.awake.store(false, Ordering::Release);
    }
}

/// The answer after the file was closed.
pub(super) fn closed() -> LogError {
    LogError::Stopped("the log is closed".to_owned())
}

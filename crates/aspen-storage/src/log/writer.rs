//! The one writer of a log file: merges what all groups wait for into durable commits.

use std::collections::BTreeSet;
use std::sync::Arc;

use aspen_core::runtime;
use redb::{Database, WriteTransaction};

use super::core::{Core, closed};
use super::error::guarded;
use super::header::{self, ENTRIES, METADATA, Stamp};
use super::plan::Plan;
use super::request::{Done, Group, Request, Write};
use super::row::{self, ENTRY_PREFIX_BYTES};
use super::{LogError, sweep};

/// The writer's own state; it runs on a worker of its own.
pub(super) struct Writer {
    core: Arc<Core>,
    next_sequence: u64,
}

impl Writer {
    pub(super) fn new(core: Arc<Core>, next_sequence: u64) -> Self {
        Self { core, next_sequence }
    }

    /// Handles every request that waited. They share one commit unless they hold too many bytes.
    pub(super) fn step(&mut self, requests: &mut Vec<Request>) {
        let idle = requests.iter().all(|request| matches!(request, Request::Wake));
        let free_bytes = (self.core.free_bytes)();
        let mut plan = Plan::default();
        for request in requests.drain(..) {
            match request {
                Request::Write { group, write, done } => {
                    let planned = self.plan_write(&mut plan, &group, write, free_bytes);
                    admit(&mut plan, done, planned);
                }
                Request::Stamp { stamp, done } => {
                    let planned = self.plan_stamp(&mut plan, stamp);
                    admit(&mut plan, done, planned);
                }
                Request::Flush { done } => {
                    plan.flush = true;
                    plan.waiters.push(done);
                }
                Request::Wake => self.core.woken(),
                Request::Close { done } => {
                    self.commit(std::mem::take(&mut plan), false);
                    self.close(done);
                }
            }
            let full = plan.bytes >= self.core.options.batch_bytes_max as u64;
            if full || runtime::buggify("log-commit-alone") {
                self.commit(std::mem::take(&mut plan), false);
            }
        }
        self.commit(plan, idle);
        if self.core.stopped().is_ok() && self.core.sweep.lock().len() > 0 {
            self.core.wake();
        }
    }

    fn plan_write(
        &mut self,
        plan: &mut Plan,
        group: &Arc<Group>,
        write: Write,
        free_bytes: Option<u64>,
    ) -> Result<(), LogError> {
        self.core.stopped()?;
        if let (Write::Append(records), Some(free)) = (&write, free_bytes) {
            let bytes: u64 = records.iter().map(|record| record.payload.len() as u64).sum();
            // Twice, since a commit writes new pages before the old ones become free.
            let wanted = self.core.options.disk_reserve_bytes + 2 * (plan.bytes + bytes);
            if free < wanted {
                return Err(LogError::DiskFull(format!(
                    "{free} bytes are free and {wanted} needed; make room, then retry"
                )));
            }
        }
        plan.add(group, write, &mut self.next_sequence)
    }

    fn plan_stamp(&self, plan: &mut Plan, stamp: Stamp) -> Result<(), LogError> {
        self.core.stopped()?;
        let known = *self.core.stamp.lock();
        match known.or(plan.stamp) {
            Some(known) => known.check(stamp),
            None => {
                plan.stamp = Some(stamp);
                Ok(())
            }
        }
    }

    /// Makes a plan durable, shows it to readers and answers its waiters. After a failure nothing
    /// may be retried: the operating system may have dropped the pages whose sync failed and report
    /// the next sync as good (the "fsyncgate" of PostgreSQL, 2018), so that the writer stops.
    fn commit(&self, mut plan: Plan, idle: bool) {
        let result = self.write(&mut plan, idle);
        match &result {
            Ok(()) => {
                if let Some(stamp) = plan.stamp {
                    *self.core.stamp.lock() = Some(stamp);
                }
                let sweep = &self.core.sweep;
                plan.publish(|row| sweep.lock().add(row));
            }
            Err(error) => self.core.stop(format!("an earlier write failed: {error}")),
        }
        for done in plan.waiters {
            done.send(result.clone());
        }
    }

    fn write(&self, plan: &mut Plan, idle: bool) -> Result<(), LogError> {
        self.core.stopped()?;
        // Rows are taken before markers: a row is purgeable only after its marker is known, so that
        // no commit removes rows without the marker that explains their absence.
        let swept = self.take_swept(idle);
        self.core.save_kept(plan);
        if plan.is_empty() && swept.is_empty() {
            return Ok(());
        }
        let started = runtime::now();
        let database = self.core.database.read();
        let database = database.as_ref().ok_or_else(closed)?;
        guarded(|| write_plan(database, plan, &swept))?;
        let commit_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.core.counters.count(plan.waiters.len(), plan.inserts.len(), plan.bytes, commit_us);
        Ok(())
    }

    /// Purged rows go when a full chunk waits or nobody else does: removing a few with every commit
    /// would cost a quarter of the commits a second.
    fn take_swept(&self, idle: bool) -> BTreeSet<u64> {
        let rows_max = self.core.options.purge_chunk_rows;
        let mut sweep = self.core.sweep.lock();
        let due = idle || sweep.len() >= rows_max || runtime::buggify("log-sweep-early");
        if due { sweep.take(rows_max) } else { BTreeSet::new() }
    }

    fn close(&self, done: Done) {
        self.core.stop("the log is closed".to_owned());
        // Waits for the reads under way; later ones find the file closed.
        drop(self.core.database.write().take());
        done.send(Ok(()));
    }
}

fn admit(plan: &mut Plan, done: Done, planned: Result<(), LogError>) {
    match planned {
        Ok(()) => plan.waiters.push(done),
        Err(error) => {
            done.send(Err(error));
        }
    }
}

fn write_plan(database: &Database, plan: &Plan, swept: &BTreeSet<u64>) -> Result<(), LogError> {
    let mut transaction = database.begin_write()?;
    if plan.metadata.is_empty() && runtime::planted("ack-before-sync") {
        let unsynced = transaction.set_durability(redb::Durability::None);
        unsynced.map_err(|error| LogError::Io(error.to_string()))?;
    }
    write_entries(&transaction, plan, swept)?;
    write_metadata(&transaction, plan)?;
    if let Some(stamp) = plan.stamp {
        header::write(&transaction, stamp)?;
    }
    Ok(transaction.commit()?)
}

fn write_entries(
    transaction: &WriteTransaction,
    plan: &Plan,
    swept: &BTreeSet<u64>,
) -> Result<(), LogError> {
    if plan.inserts.is_empty() && plan.removes.is_empty() && swept.is_empty() {
        return Ok(());
    }
    let mut entries = transaction.open_table(ENTRIES)?;
    sweep::remove_rows(&mut entries, swept)?;
    for sequence in &plan.removes {
        entries.remove(sequence)?;
    }
    for (&sequence, insert) in &plan.inserts {
        let len = ENTRY_PREFIX_BYTES + insert.payload.len();
        let mut value = entries.insert_reserve(sequence, len)?;
        row::encode_entry(value.as_mut(), sequence, insert.group, insert.index, &insert.payload);
    }
    Ok(())
}

fn write_metadata(transaction: &WriteTransaction, plan: &Plan) -> Result<(), LogError> {
    if plan.metadata.is_empty() {
        return Ok(());
    }
    let mut metadata = transaction.open_table(METADATA)?;
    for (key, value) in &plan.metadata {
        match value {
            Some(value) => metadata.insert(key, value.as_slice())?,
            None => metadata.remove(key)?,
        };
    }
    Ok(())
}

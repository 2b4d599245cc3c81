//! Replacing the state by a snapshot.
//!
//! The snapshot is loaded into a database of the next generation, beside the present one. Reaching
//! its end has checked every block and the digest; only then is it synced and given its name. That
//! rename is the moment of the change: a crash before it leaves the old state, one after it the
//! new.

use std::fs::{self, File};
use std::path::Path;

use aspen_core::{ClientId, GroupId, Key, LeaseId, Revision};
use bytes::Bytes;
use rusqlite::Connection;

use super::body::{self, Role};
use super::core::Core;
use super::files::remove;
use super::head::Head;
use super::lease_rows::{load_leases, store_lease};
use super::registers::{Registers, decode_session, load_sessions, store_session};
use super::snapshot_row::{RowState, SnapshotRow, malformed};
use super::sql::from_sql;
use super::stored::{RowWriter, Stored};
use crate::state::error::{from_io, sync_parent};
use crate::state::fault_point::FaultPoint;
use crate::state::{AppliedState, GroupState, LeaseTerms, PinTable, SnapshotReader, StateError};

/// Installs a snapshot; runs on the flush thread, so that no flush is under way.
pub(super) fn install(
    core: &Core,
    writer: &mut Option<Connection>,
    snapshot: &Path,
) -> Result<AppliedState, StateError> {
    if writer.is_none() {
        return Err(StateError::Stopped("closed".to_owned()));
    }
    let old = core.body().0;
    let new = old + 1;
    let building = core.files.building(new);
    let loaded = load(&building, snapshot, core.group);
    if loaded.is_err() {
        // What was built so far is of no use; the next open removes what this cannot.
        let _ = remove(&building);
    }
    let applied = loaded?;
    switch(core, writer, new)?;
    FaultPoint::InstallSwitched.reach();
    // From here on the new state is in force; what fails is tidied up at the next open.
    if let Err(error) = keep_file(core, snapshot, &applied) {
        tracing::warn!(%error, "installed snapshot file could not be kept");
    }
    FaultPoint::InstallKept.reach();
    if let Err(error) = core.files.remove_database(old) {
        tracing::warn!(%error, "replaced state could not be removed");
    }
    Ok(applied)
}

/// Loads a snapshot into a new database file and makes it durable.
pub(super) fn load(
    building: &Path,
    snapshot: &Path,
    group: GroupId,
) -> Result<AppliedState, StateError> {
    let mut reader = SnapshotReader::open(snapshot)?;
    let header = reader.header().clone();
    if header.group != group {
        return Err(StateError::Incompatible(format!(
            "snapshot {} is of group {}, not of {group}",
            snapshot.display(),
            header.group
        )));
    }
    remove(building)?;
    let connection = body::create(building, group)?;
    let pins = Loader::new(&connection, reader.format())?.rows(&mut reader)?;
    Registers {
        revision: header.revision,
        horizon: header.horizon,
        clock_ms: header.clock_ms,
        applied: header.applied.clone(),
        lease_grants: header.lease_grants,
        pins,
    }
    .store(&connection)?;
    load_leases(&connection, header.lease_grants)?;
    FaultPoint::InstallLoaded.reach();
    finish(connection, building)?;
    FaultPoint::InstallSynced.reach();
    Ok(header.applied)
}

/// Commits what was loaded, closes the database and syncs its file.
pub(super) fn finish(connection: Connection, building: &Path) -> Result<(), StateError> {
    connection.execute_batch("COMMIT").map_err(from_sql)?;
    connection.close().map_err(|(_, error)| from_sql(error))?;
    File::open(building).and_then(|file| file.sync_all()).map_err(|error| from_io(building, &error))
}

/// Makes the new file the body, in one step for writers, readers and whoever opens it next.
fn switch(core: &Core, writer: &mut Option<Connection>, new: u64) -> Result<(), StateError> {
    let path = core.files.database(new);
    let mut applier = core.applier.lock();
    fs::rename(core.files.building(new), &path).map_err(|error| from_io(&path, &error))?;
    FaultPoint::InstallNamed.reach();
    let opened = sync_parent(&path).and_then(|()| open(core, &path));
    match opened {
        Ok(opened) => {
            *core.head.write() = Head::new(opened.registers.clone(), new, &core.options);
            applier.replace(opened.group, opened.registers.applied, opened.applier);
            core.leases.replaced();
            *writer = Some(opened.writer);
            core.announce_revision();
            Ok(())
        }
        Err(error) => {
            // The new file is in force for the next open, but cannot be used now.
            applier.stop("an installed snapshot could not be opened");
            *writer = None;
            Err(error)
        }
    }
}

struct Opened {
    writer: Connection,
    applier: Connection,
    registers: Registers,
    group: GroupState,
}

fn open(core: &Core, path: &Path) -> Result<Opened, StateError> {
    let writer = body::open(path, Role::Writer, &core.options)?;
    body::check_identity(&writer, path, Some(core.group))?;
    let applier = body::open(path, Role::Reader, &core.options)?;
    let registers = Registers::load(&writer)?;
    let group = group_state(&writer, &registers)?;
    Ok(Opened { writer, applier, registers, group })
}

/// The registers with the sessions and leases. Every pin has its lease.
pub(super) fn group_state(
    connection: &Connection,
    registers: &Registers,
) -> Result<GroupState, StateError> {
    let leases = load_leases(connection, registers.lease_grants)?;
    if let Some((pin, lease)) = registers.pins.iter().find(|it| !leases.contains_key(&it.1)) {
        return Err(StateError::Corrupt(format!("revision {pin} is pinned to no lease: {lease}")));
    }
    Ok(GroupState {
        revision: registers.revision,
        horizon: registers.horizon,
        clock_ms: registers.clock_ms,
        sessions: load_sessions(connection)?.into(),
        leases,
        pins: registers.pins.clone(),
    })
}

/// Keeps the installed file as the newest snapshot.
fn keep_file(core: &Core, snapshot: &Path, applied: &AppliedState) -> Result<(), StateError> {
    let index = applied.position.as_ref().map_or(0, |at| at.index.get());
    let kept = core.files.snapshot(index);
    if snapshot != kept {
        fs::rename(snapshot, &kept).map_err(|error| from_io(&kept, &error))?;
        sync_parent(&kept)?;
    }
    *core.snapshot.lock() = Some(SnapshotReader::open(&kept)?.to_file());
    core.files.remove_other_snapshots(&kept)
}

/// Writes rows as they come, refusing what a sound snapshot cannot hold.
struct Loader<'c> {
    connection: &'c Connection,
    rows: RowWriter<'c>,
    /// Whether leases that keys name were granted.
    has_leases: bool,
    section: u8,
    last_key: Bytes,
    pins: Vec<(Revision, LeaseId)>,
}

impl<'c> Loader<'c> {
    fn new(connection: &'c Connection, format: u32) -> Result<Self, StateError> {
        let rows = RowWriter::new(connection)?;
        let (has_leases, last_key) = (format > 1, Bytes::new());
        Ok(Self { connection, rows, has_leases, section: 0, last_key, pins: Vec::new() })
    }

    /// Loads every row but the pins, which are answered.
    fn rows(mut self, reader: &mut SnapshotReader) -> Result<PinTable, StateError> {
        while let Some(row) = reader.next_row()? {
            let row = SnapshotRow::decode(row)?;
            if row.section() < self.section {
                return Err(malformed("out of order"));
            }
            self.section = row.section();
            self.row(row)?;
            FaultPoint::InstallRow.reach();
        }
        Ok(self.pins.into_iter().collect())
    }

    fn row(&mut self, row: SnapshotRow) -> Result<(), StateError> {
        match row {
            SnapshotRow::Current { key, state } => {
                if key <= self.last_key {
                    return Err(malformed("keys are out of order"));
                }
                let mut stored = self.store(&key, state)?;
                stored.lease = stored.lease.filter(|_| self.has_leases);
                self.rows.current(&key, &stored)?;
                self.rows.attach(&key, None, stored.lease)?;
                self.last_key = key;
                Ok(())
            }
            SnapshotRow::Undo { revision, key, deletes, before } => {
                if before.as_ref().is_some_and(|before| before.mod_revision() >= revision) {
                    return Err(malformed("history runs backwards"));
                }
                let before = before.map(|before| self.store(&key, before)).transpose()?;
                self.rows.undo(revision, &key, deletes, before.as_ref())
            }
            SnapshotRow::Session { client, session } => self.session(client, &session),
            SnapshotRow::Lease { lease, grant, ttl_ms } => {
                store_lease(self.connection, lease, LeaseTerms { grant, ttl_ms })
            }
            SnapshotRow::Pin { revision, lease } => {
                self.pins.push((revision, lease));
                Ok(())
            }
            SnapshotRow::Pinned { revision, key, state } => {
                if state.mod_revision() >= revision {
                    return Err(malformed("a pinned version runs backwards"));
                }
                let stored = self.store(&key, state)?;
                self.rows.pinned(revision, &key, &stored)
            }
        }
    }

    fn store(&mut self, key: &Bytes, state: RowState) -> Result<Stored, StateError> {
        Key::new(key.clone()).map_err(|error| malformed(&error.to_string()))?;
        self.rows.store(key, &state.into_version()?)
    }

    fn session(&mut self, client: ClientId, encoded: &[u8]) -> Result<(), StateError> {
        decode_session(client, encoded)?;
        store_session(self.connection, client, encoded)
    }
}

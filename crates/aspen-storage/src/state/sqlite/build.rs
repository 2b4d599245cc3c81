//! Building a snapshot from the body while writers go on.

use bytes::Bytes;
use rusqlite::{Connection, Row, params};

use super::body::{self, Role};
use super::core::Core;
use super::lease_rows::each_lease;
use super::registers::{Registers, each_session};
use super::snapshot_row::{RowState, SnapshotRow};
use super::sql::{from_sql, revision_in, revision_out};
use super::stored::{COLUMNS, Content, Stored};
use super::view::View;
use crate::state::fault_point::FaultPoint;
use crate::state::snapshot::LostKey;
use crate::state::{
    LeaseTerms, PinTable, SnapshotFile, SnapshotHeader, SnapshotWriter, StateError,
};

/// Streams one read transaction of the body into a snapshot file, and removes older ones. While it
/// runs, the write-ahead log cannot be checkpointed past the transaction and grows with every
/// flush.
pub(super) fn build(core: &Core) -> Result<SnapshotFile, StateError> {
    let (_, path) = core.body();
    let connection = body::open(&path, Role::Reader, &core.options)?;
    let mut view = View::begin(&connection)?;
    let registers = Registers::load(&connection)?;
    let index = registers.applied.position.as_ref().map_or(0, |at| at.index.get());
    let header = SnapshotHeader {
        group: core.group,
        applied: registers.applied.clone(),
        revision: registers.revision,
        horizon: registers.horizon,
        clock_ms: registers.clock_ms,
        lease_grants: registers.lease_grants,
    };
    let mut writer = SnapshotWriter::create(&core.files.snapshot(index), &header)?;
    current_rows(&connection, &mut view, &mut writer)?;
    undo_rows(&connection, &mut view, &mut writer)?;
    each_session(&connection, |client, session| {
        let session = Bytes::copy_from_slice(session);
        writer.row(&SnapshotRow::Session { client, session }.encode()?)
    })?;
    each_lease(&connection, |lease, LeaseTerms { grant, ttl_ms }| {
        writer.row(&SnapshotRow::Lease { lease, grant, ttl_ms }.encode()?)
    })?;
    pin_rows(&connection, &mut view, &registers.pins, &mut writer)?;
    let file = writer.finish()?;
    *core.snapshot.lock() = Some(file.clone());
    FaultPoint::SnapshotShown.reach();
    core.files.remove_other_snapshots(&file.path)?;
    Ok(file)
}

fn current_rows(
    connection: &Connection,
    view: &mut View<'_>,
    writer: &mut SnapshotWriter,
) -> Result<(), StateError> {
    let sql = format!("SELECT key, {COLUMNS} FROM current ORDER BY key");
    let mut select = connection.prepare_cached(&sql).map_err(from_sql)?;
    let mut rows = select.query([]).map_err(from_sql)?;
    let mut lost = LostKey::planted();
    while let Some(row) = rows.next().map_err(from_sql)? {
        let state = Stored::from_row(row, 1).map_err(from_sql)?;
        // Passed by the horizon and about to be removed.
        if state.is_deletion() && state.mod_revision <= view.horizon {
            continue;
        }
        if lost.is_next() {
            continue;
        }
        let state = with_value(view, state)?;
        writer.row(&SnapshotRow::Current { key: key(row, 0)?, state }.encode()?)?;
    }
    Ok(())
}

fn undo_rows(
    connection: &Connection,
    view: &mut View<'_>,
    writer: &mut SnapshotWriter,
) -> Result<(), StateError> {
    let sql = format!(
        "SELECT revision, key, deletes, {COLUMNS} FROM undo WHERE revision > ? \
         ORDER BY revision, key"
    );
    let mut select = connection.prepare_cached(&sql).map_err(from_sql)?;
    let mut rows = select.query(params![revision_in(view.horizon)]).map_err(from_sql)?;
    while let Some(row) = rows.next().map_err(from_sql)? {
        let state = Stored::from_row(row, 3).map_err(from_sql)?;
        let before = match state.mod_revision.get() {
            0 => None,
            _ => Some(with_value(view, state)?),
        };
        let row = SnapshotRow::Undo {
            revision: revision_out(row.get(0).map_err(from_sql)?),
            key: key(row, 1)?,
            deletes: row.get(2).map_err(from_sql)?,
            before,
        };
        writer.row(&row.encode()?)?;
    }
    Ok(())
}

/// Pins, and what they need: what was kept for them, and what compaction is still to keep.
fn pin_rows(
    connection: &Connection,
    view: &mut View<'_>,
    pins: &PinTable,
    writer: &mut SnapshotWriter,
) -> Result<(), StateError> {
    for (revision, lease) in pins.iter() {
        writer.row(&SnapshotRow::Pin { revision, lease }.encode()?)?;
    }
    if pins.is_empty() {
        return Ok(());
    }
    for table in ["pinned", "undo"] {
        let sql = format!(
            "SELECT revision, key, {COLUMNS} FROM {table} WHERE revision <= ? AND version > 0"
        );
        let mut select = connection.prepare_cached(&sql).map_err(from_sql)?;
        let mut rows = select.query(params![revision_in(view.horizon)]).map_err(from_sql)?;
        while let Some(row) = rows.next().map_err(from_sql)? {
            let revision = revision_out(row.get(0).map_err(from_sql)?);
            let state = Stored::from_row(row, 2).map_err(from_sql)?;
            if pins.any_in(state.mod_revision, revision) {
                let (key, state) = (key(row, 1)?, with_value(view, state)?);
                writer.row(&SnapshotRow::Pinned { revision, key, state }.encode()?)?;
            }
        }
    }
    Ok(())
}

fn with_value(view: &mut View<'_>, state: Stored) -> Result<RowState, StateError> {
    let value = match &state.content {
        Content::Nothing => Bytes::new(),
        Content::Inline(value) => value.clone(),
        Content::Large(id) => view.large_value(*id)?,
    };
    Ok(RowState::new(&state, value))
}

fn key(row: &Row<'_>, column: usize) -> Result<Bytes, StateError> {
    let key = row.get_ref(column).map_err(from_sql)?;
    let key = key.as_blob().map_err(|error| StateError::Corrupt(error.to_string()))?;
    Ok(Bytes::copy_from_slice(key))
}

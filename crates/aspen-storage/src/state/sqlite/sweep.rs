//! Removing what was kept for pins that have ended.

use aspen_core::Revision;
use rusqlite::{Connection, params};

use super::compact::{CHUNK_ROWS, unsynced};
use super::sql::{from_sql, revision_in, revision_out};
use crate::state::{PinTable, StateError};

/// How far the removal has come. It goes through `pinned` once, a chunk at a time, whenever a pin
/// has ended, and when the state is opened.
pub(super) struct Sweep {
    /// The pins when it was last looked at.
    pins: PinTable,
    /// The row after which to go on; `None` when it is through.
    after: Option<Place>,
}

/// The key and revision of a row.
#[derive(Clone, Default)]
struct Place {
    key: Vec<u8>,
    revision: Revision,
}

/// A row of `pinned`.
struct Kept {
    place: Place,
    mod_revision: Revision,
    large: Option<i64>,
}

impl Sweep {
    /// From the beginning.
    pub(super) fn new() -> Self {
        Self { pins: PinTable::default(), after: Some(Place::default()) }
    }

    /// Removes the next chunk; answers whether there may be more.
    pub(super) fn chunk(
        &mut self,
        connection: &Connection,
        pins: &PinTable,
    ) -> Result<bool, StateError> {
        if self.pins.iter().any(|(revision, _)| !pins.contains(revision)) {
            self.after = Some(Place::default());
        }
        self.pins = pins.clone();
        let Some(after) = &self.after else { return Ok(false) };
        let rows = rows_after(connection, after)?;
        let is_over = |row: &&Kept| !pins.any_in(row.mod_revision, row.place.revision);
        let ended: Vec<&Kept> = rows.iter().filter(is_over).collect();
        if !ended.is_empty() {
            unsynced(connection, || remove(connection, &ended))?;
        }
        let more = rows.len() == CHUNK_ROWS as usize;
        self.after = rows.into_iter().next_back().filter(|_| more).map(|row| row.place);
        Ok(more)
    }
}

fn rows_after(connection: &Connection, after: &Place) -> Result<Vec<Kept>, StateError> {
    let mut select = connection
        .prepare_cached(
            "SELECT key, revision, mod_revision, large FROM pinned \
             WHERE (key, revision) > (?, ?) ORDER BY key, revision LIMIT ?",
        )
        .map_err(from_sql)?;
    let rows =
        select.query_map(params![after.key, revision_in(after.revision), CHUNK_ROWS], |row| {
            let place = Place { key: row.get(0)?, revision: revision_out(row.get(1)?) };
            Ok(Kept { place, mod_revision: revision_out(row.get(2)?), large: row.get(3)? })
        });
    rows.and_then(Iterator::collect).map_err(from_sql)
}

fn remove(connection: &Connection, rows: &[&Kept]) -> Result<(), StateError> {
    let prepare = |sql| connection.prepare_cached(sql).map_err(from_sql);
    let mut delete = prepare("DELETE FROM pinned WHERE key = ? AND revision = ?")?;
    let mut large = prepare("DELETE FROM large_value WHERE id = ?")?;
    for row in rows {
        let revision = revision_in(row.place.revision);
        delete.execute(params![row.place.key, revision]).map_err(from_sql)?;
        if let Some(id) = row.large {
            large.execute([id]).map_err(from_sql)?;
        }
    }
    Ok(())
}

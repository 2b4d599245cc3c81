//! Removing what lies at or below the horizon from the body, but for what a pin reads.

use aspen_core::Revision;
use rusqlite::{Connection, params};

use super::sql::{from_sql, revision_in, revision_out};
use super::write::in_transaction;
use crate::state::fault_point::FaultPoint;
use crate::state::{PinTable, StateError};

/// Rows that one transaction removes: few enough that a flush never waits long behind it.
pub(super) const CHUNK_ROWS: u32 = 4096;

/// An undo row to be removed, and what goes with it.
struct Expired {
    revision: i64,
    key: Vec<u8>,
    deletes: bool,
    large: Option<i64>,
    /// A pin reads what the row keeps.
    is_pinned: bool,
}

/// Removes the next chunk; answers whether there may be more.
pub(super) fn compact_chunk(
    connection: &Connection,
    horizon: Revision,
    pins: &PinTable,
) -> Result<bool, StateError> {
    let expired = expired(connection, horizon, pins)?;
    let Some(last) = expired.last() else { return Ok(false) };
    unsynced(connection, || remove(connection, &expired, last))?;
    Ok(expired.len() == CHUNK_ROWS as usize)
}

/// Runs work in a transaction that is not synced: losing it in a crash loses nothing.
pub(super) fn unsynced(
    connection: &Connection,
    work: impl FnOnce() -> Result<(), StateError>,
) -> Result<(), StateError> {
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(from_sql)?;
    let done = in_transaction(connection, work);
    FaultPoint::CompactCommitted.reach();
    connection.pragma_update(None, "synchronous", "FULL").map_err(from_sql)?;
    done
}

fn expired(
    connection: &Connection,
    horizon: Revision,
    pins: &PinTable,
) -> Result<Vec<Expired>, StateError> {
    let mut select = connection
        .prepare_cached(
            "SELECT revision, key, deletes, large, mod_revision, version FROM undo \
             WHERE revision <= ? ORDER BY revision, key LIMIT ?",
        )
        .map_err(from_sql)?;
    let rows = select.query_map(params![revision_in(horizon), CHUNK_ROWS], |row| {
        let (revision, mod_revision) = (row.get(0)?, row.get(4)?);
        let existed = row.get::<_, i64>(5)? > 0;
        let is_read = || pins.any_in(revision_out(mod_revision), revision_out(revision));
        Ok(Expired {
            revision,
            key: row.get(1)?,
            deletes: row.get(2)?,
            large: row.get(3)?,
            is_pinned: existed && is_read(),
        })
    });
    rows.and_then(Iterator::collect).map_err(from_sql)
}

fn remove(connection: &Connection, expired: &[Expired], last: &Expired) -> Result<(), StateError> {
    let prepare = |sql: &str| connection.prepare_cached(sql).map_err(from_sql);
    // The key may have come back since; then its row is no deletion, or a later one, whose own undo
    // row is yet to come.
    let mut tombstone =
        prepare("DELETE FROM current WHERE key = ? AND version = 0 AND mod_revision = ?")?;
    let mut large = prepare("DELETE FROM large_value WHERE id = ?")?;
    let mut keep = prepare(
        "REPLACE INTO pinned SELECT key, revision, mod_revision, create_revision, version, lease, \
         large, value FROM undo WHERE revision = ? AND key = ?",
    )?;
    for row in expired {
        if row.deletes {
            tombstone.execute(params![row.key, row.revision]).map_err(from_sql)?;
        }
        match row.large {
            _ if row.is_pinned => {
                keep.execute(params![row.revision, row.key]).map_err(from_sql)?;
            }
            Some(id) => drop(large.execute([id]).map_err(from_sql)?),
            None => {}
        }
    }
    prepare("DELETE FROM undo WHERE revision < ?")?.execute([last.revision]).map_err(from_sql)?;
    prepare("DELETE FROM undo WHERE revision = ? AND key <= ?")?
        .execute(params![last.revision, last.key])
        .map_err(from_sql)?;
    FaultPoint::CompactWritten.reach();
    Ok(())
}

//! Removing what lies at or below the horizon from the body.

use aspen_core::Revision;
use rusqlite::{Connection, params};

use super::sql::{from_sql, revision_in};
use super::write::in_transaction;
use crate::state::StateError;
use crate::state::fault_point::FaultPoint;

/// Undo rows that one transaction removes: few enough that a flush never waits long behind it.
const CHUNK_ROWS: u32 = 4096;

/// An undo row to be removed, and what goes with it.
struct Expired {
    revision: i64,
    key: Vec<u8>,
    deletes: bool,
    large: Option<i64>,
}

/// Removes the next chunk; answers whether there may be more. Losing it in a crash loses nothing,
/// so it is not synced.
pub(super) fn compact_chunk(
    connection: &Connection,
    horizon: Revision,
) -> Result<bool, StateError> {
    let expired = expired(connection, horizon)?;
    let Some(last) = expired.last() else { return Ok(false) };
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(from_sql)?;
    let removed = in_transaction(connection, || remove(connection, horizon, &expired, last));
    FaultPoint::CompactCommitted.reach();
    connection.pragma_update(None, "synchronous", "FULL").map_err(from_sql)?;
    removed.map(|()| expired.len() == CHUNK_ROWS as usize)
}

fn expired(connection: &Connection, horizon: Revision) -> Result<Vec<Expired>, StateError> {
    let mut select = connection
        .prepare_cached(
            "SELECT revision, key, deletes, large FROM undo WHERE revision <= ? \
             ORDER BY revision, key LIMIT ?",
        )
        .map_err(from_sql)?;
    let rows = select.query_map(params![revision_in(horizon), CHUNK_ROWS], |row| {
        Ok(Expired {
            revision: row.get(0)?,
            key: row.get(1)?,
            deletes: row.get(2)?,
            large: row.get(3)?,
        })
    });
    rows.and_then(Iterator::collect).map_err(from_sql)
}

fn remove(
    connection: &Connection,
    horizon: Revision,
    expired: &[Expired],
    last: &Expired,
) -> Result<(), StateError> {
    let prepare = |sql| connection.prepare_cached(sql).map_err(from_sql);
    // The key may have come back since; then its row is no deletion, or a later one.
    let mut tombstone =
        prepare("DELETE FROM current WHERE key = ? AND version = 0 AND mod_revision <= ?")?;
    let mut large = prepare("DELETE FROM large_value WHERE id = ?")?;
    for row in expired {
        if row.deletes {
            tombstone.execute(params![row.key, revision_in(horizon)]).map_err(from_sql)?;
        }
        if let Some(id) = row.large {
            large.execute([id]).map_err(from_sql)?;
        }
    }
    prepare("DELETE FROM undo WHERE revision < ?")?.execute([last.revision]).map_err(from_sql)?;
    prepare("DELETE FROM undo WHERE revision = ? AND key <= ?")?
        .execute(params![last.revision, last.key])
        .map_err(from_sql)?;
    FaultPoint::CompactWritten.reach();
    Ok(())
}

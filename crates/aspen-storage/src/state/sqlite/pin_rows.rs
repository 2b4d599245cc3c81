//! Pins in the body: a row for each.

use rusqlite::{Connection, params};

use super::sql::{from_sql, lease_in, lease_out, revision_in, revision_out};
use crate::state::{PinTable, StateError};

/// Makes these the body's pins.
pub(super) fn store_pins(connection: &Connection, pins: &PinTable) -> Result<(), StateError> {
    if load_pins(connection)? == *pins {
        return Ok(());
    }
    let prepare = |sql| connection.prepare_cached(sql).map_err(from_sql);
    prepare("DELETE FROM pin")?.execute([]).map_err(from_sql)?;
    let mut insert = prepare("INSERT INTO pin VALUES (?, ?)")?;
    for (revision, lease) in pins.iter() {
        insert.execute(params![revision_in(revision), lease_in(Some(lease))]).map_err(from_sql)?;
    }
    Ok(())
}

/// Reads every pin.
pub(super) fn load_pins(connection: &Connection) -> Result<PinTable, StateError> {
    let mut select =
        connection.prepare_cached("SELECT revision, lease FROM pin").map_err(from_sql)?;
    let rows = select.query_map([], |row| {
        let lease = lease_out(row.get(1)?).unwrap_or_default();
        Ok((revision_out(row.get(0)?), lease))
    });
    rows.and_then(Iterator::collect).map_err(from_sql)
}

//! Databases of older formats, brought to the present one in place.

use rusqlite::Connection;

use super::body::{STATE_FORMAT, VERSION};
use super::sql::from_sql;
use super::write::in_transaction;
use crate::state::StateError;

/// What format 2 adds to format 1: leases. In format 1 nothing could be granted, so a lease that a
/// key names is none.
const FROM_1: &str = "
    ALTER TABLE register ADD COLUMN lease_grants INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE lease (
        lease INTEGER PRIMARY KEY, grant_number INTEGER NOT NULL, ttl_ms INTEGER NOT NULL);
    CREATE TABLE leased (
        lease INTEGER NOT NULL, key BLOB NOT NULL, PRIMARY KEY (lease, key)) WITHOUT ROWID;
    UPDATE current SET lease = NULL WHERE lease IS NOT NULL;
";

/// What format 3 adds to format 2: pins.
const FROM_2: &str = "
    CREATE TABLE pin (
        revision INTEGER NOT NULL, lease INTEGER NOT NULL,
        PRIMARY KEY (revision, lease)) WITHOUT ROWID;
    CREATE TABLE pinned (
        key BLOB NOT NULL, revision INTEGER NOT NULL,
        mod_revision INTEGER NOT NULL, create_revision INTEGER NOT NULL, version INTEGER NOT NULL,
        lease INTEGER, large INTEGER, value BLOB, PRIMARY KEY (key, revision)) WITHOUT ROWID;
";

/// Upgrades a database in one transaction; nothing happens to one of the present format.
pub(super) fn upgrade(connection: &Connection, format: u32) -> Result<(), StateError> {
    if format == STATE_FORMAT {
        return Ok(());
    }
    tracing::info!(from = format, to = STATE_FORMAT, "upgrading the state's database");
    in_transaction(connection, || upgrade_in_transaction(connection, format))
}

/// The steps, for whoever may want to take them back.
pub(super) fn upgrade_in_transaction(
    connection: &Connection,
    format: u32,
) -> Result<(), StateError> {
    if format < 2 {
        connection.execute_batch(FROM_1).map_err(from_sql)?;
    }
    if format < 3 {
        connection.execute_batch(FROM_2).map_err(from_sql)?;
    }
    let update = "UPDATE meta SET value = ? WHERE name = ?";
    connection.execute(update, (STATE_FORMAT, "format")).map_err(from_sql)?;
    connection.execute(update, (VERSION, "aspen_version")).map_err(from_sql)?;
    Ok(())
}

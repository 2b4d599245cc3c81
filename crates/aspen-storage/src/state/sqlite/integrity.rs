//! Checking a state on disk.

use std::path::Path;

use aspen_core::Revision;
use rusqlite::{Connection, OpenFlags};

use super::body::{STATE_FORMAT, check_identity};
use super::files::Files;
use super::registers::{Registers, load_sessions};
use super::sql::{from_sql, revision_in};
use super::upgrade::upgrade_in_transaction;
use crate::state::{SnapshotReader, StateError};

/// How many faults of one kind are listed; more say nothing new.
const FAULTS_MAX: u32 = 20;

/// Checks the state in a directory that no process uses: the database's own integrity check, our
/// invariants, and every block of the snapshots. Answers what is wrong, nothing when all is well.
///
/// # Errors
/// When there is no state, or it cannot be read at all.
pub fn check_dir(dir: &Path) -> Result<Vec<String>, StateError> {
    let files = Files::new(dir);
    let missing = || StateError::Io(format!("{} holds no state", dir.display()));
    let generation = files.generation()?.ok_or_else(missing)?;
    let mut faults = check_database(&files.database(generation))?;
    for name in files.snapshot_names()? {
        if let Err(error) = SnapshotReader::verify(&files.snapshots().join(&name)) {
            faults.push(error.to_string());
        }
    }
    Ok(faults)
}

/// Checks one database file.
pub(super) fn check_database(path: &Path) -> Result<Vec<String>, StateError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(from_sql)?;
    connection.execute_batch("BEGIN").map_err(from_sql)?;
    let mut faults = own_check(&connection)?;
    if !faults.is_empty() {
        // Statements over damaged pages only repeat the same fault in other words.
        return Ok(faults);
    }
    let format = check_identity(&connection, path, None)?;
    if format < STATE_FORMAT {
        // Never committed: the connection is closed without it.
        upgrade_in_transaction(&connection, format)?;
    }
    connection.execute_batch("PRAGMA query_only = ON").map_err(from_sql)?;
    if let Err(error) = load_sessions(&connection) {
        faults.push(error.to_string());
    }
    let registers = Registers::load(&connection)?;
    for (sql, what) in INVARIANTS {
        let found = find(&connection, sql, registers.revision, registers.horizon)?;
        faults.extend(found.into_iter().map(|key| format!("{what}: {key}")));
    }
    Ok(faults)
}

/// `?1` is the revision, `?2` the horizon; each lists keys that break the invariant.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "SELECT key FROM current WHERE mod_revision > ?1 OR mod_revision < 1 LIMIT ?3",
        "a key's revision is outside the group's",
    ),
    (
        "SELECT key FROM current WHERE version > 0 AND (value IS NULL) = (large IS NULL) LIMIT ?3",
        "a key has no value, or two",
    ),
    (
        "SELECT key FROM current WHERE large IS NOT NULL AND large NOT IN \
         (SELECT id FROM large_value) LIMIT ?3",
        "a key's large value is missing",
    ),
    (
        "SELECT key FROM undo WHERE large IS NOT NULL AND large NOT IN \
         (SELECT id FROM large_value) LIMIT ?3",
        "a past version's large value is missing",
    ),
    (
        "SELECT c.key FROM current c WHERE c.mod_revision > ?2 AND NOT EXISTS \
         (SELECT 1 FROM undo u WHERE u.revision = c.mod_revision AND u.key = c.key) LIMIT ?3",
        "a key's history is missing",
    ),
    (
        "SELECT a.key FROM undo a WHERE a.revision > ?2 AND a.mod_revision > ?2 AND NOT EXISTS \
         (SELECT 1 FROM undo b WHERE b.revision = a.mod_revision AND b.key = a.key) LIMIT ?3",
        "a key's history breaks",
    ),
    (
        "SELECT key FROM undo WHERE mod_revision >= revision OR revision > ?1 LIMIT ?3",
        "a key's history runs backwards or ahead",
    ),
    (
        "SELECT key FROM current WHERE lease IS NOT NULL AND lease NOT IN \
         (SELECT lease FROM lease) LIMIT ?3",
        "a key's lease is missing",
    ),
    (
        "SELECT c.key FROM current c WHERE c.lease IS NOT NULL AND NOT EXISTS \
         (SELECT 1 FROM leased l WHERE l.lease = c.lease AND l.key = c.key) LIMIT ?3",
        "a lease does not name its key",
    ),
    (
        "SELECT l.key FROM leased l WHERE NOT EXISTS \
         (SELECT 1 FROM current c WHERE c.key = l.key AND c.lease = l.lease) LIMIT ?3",
        "a lease names a key that it does not have",
    ),
    (
        "SELECT CAST(revision AS BLOB) FROM pin WHERE revision > ?1 OR lease NOT IN \
         (SELECT lease FROM lease) LIMIT ?3",
        "a pin has no lease, or is ahead",
    ),
    (
        "SELECT key FROM pinned WHERE mod_revision < 1 OR mod_revision >= revision \
         OR revision > ?2 OR version < 1 LIMIT ?3",
        "a version kept for pins is out of place",
    ),
    (
        "SELECT key FROM pinned WHERE (value IS NULL) = (large IS NULL) OR (large IS NOT NULL \
         AND large NOT IN (SELECT id FROM large_value)) LIMIT ?3",
        "a version kept for pins has no value, or two",
    ),
];

fn own_check(connection: &Connection) -> Result<Vec<String>, StateError> {
    let sql = format!("PRAGMA integrity_check({FAULTS_MAX})");
    let mut check = connection.prepare(&sql).map_err(from_sql)?;
    let rows = check.query_map([], |row| row.get::<_, String>(0)).map_err(from_sql)?;
    let mut faults = Vec::new();
    for row in rows {
        match row {
            Ok(line) if line == "ok" => {}
            Ok(line) => faults.push(format!("database: {line}")),
            Err(error) => {
                faults.push(format!("database: {error}"));
                break;
            }
        }
    }
    Ok(faults)
}

fn find(
    connection: &Connection,
    sql: &str,
    revision: Revision,
    horizon: Revision,
) -> Result<Vec<String>, StateError> {
    // SQLite counts parameters up to the highest number used, so every statement has three.
    let mut select = connection.prepare(sql).map_err(from_sql)?;
    let rows = select.query_map((revision_in(revision), revision_in(horizon), FAULTS_MAX), |row| {
        Ok(row.get::<_, Vec<u8>>(0)?.escape_ascii().to_string())
    });
    rows.and_then(Iterator::collect).map_err(from_sql)
}

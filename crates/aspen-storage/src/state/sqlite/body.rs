//! The SQLite file below the head: its schema, and connections to it.
//!
//! | table | what |
//! |---|---|
//! | `meta` | name → value: `aspen_version`, `format`, `group` |
//! | `register` | one row: revision, horizon, clock, applied position, membership, lease grants |
//! | `session` | client → encoded session |
//! | `lease` | id → which grant made it, and its TTL |
//! | `leased` | (lease, key) of every key that is attached to a lease |
//! | `current` | key → its newest version, a deletion (`version` 0) included |
//! | `undo` | (revision, key) → what the key was before that revision changed it |
//! | `pin` | (revision, lease) of every pin |
//! | `pinned` | (key, revision) → what the key was before that revision changed it, for pins |
//! | `large_value` | id → a value too long to live in a row |
//!
//! `leased` stands beside `current` instead of being an index on it: SQLite writes over a row of a
//! table without indexes in one step, so that keys without leases cost what they cost without it.
//!
//! `current` is clustered by key, so that a range is neighbouring pages. Rows beyond a quarter page
//! would spill in such a tree, so long values stand apart and rows name them by id; the id moves to
//! `undo` with the row when the key changes, so a long value is written once.
//!
//! A key at revision `r`: take its `current` row; while the row's `mod_revision` is above `r`,
//! replace it by the `undo` row of (`mod_revision`, key). `mod_revision` 0 in `undo` means that
//! there was no row. Every undo row above the horizon exists, and every deletion above the horizon
//! is in `current`, so this answers for every `r` at or above the horizon. What is at or below the
//! horizon is removed in chunks; what a pin needs of it moves to `pinned` (see `pinned.rs`).

use std::path::Path;

use aspen_core::GroupId;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::options::StateOptions;
use super::registers::{Registers, has_row};
use super::sql::from_sql;
use crate::state::StateError;

/// The format of the database that this program writes, and the newest that it reads. Older ones
/// are upgraded in place when they are opened.
pub const STATE_FORMAT: u32 = 3;

/// The program's version as stored beside the format, to name the program that wrote a newer one.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `ASPN`: what `file` and SQLite's header call the database.
const APPLICATION_ID: i32 = 0x4153_504e;

/// Our statements, held prepared.
const STATEMENTS_MAX: usize = 64;

/// A row with key and value up to this many bytes keeps its value inline. SQLite lets a clustered
/// row of a 4 KiB page have 1,002 bytes before it spills; the counters take up to 60.
pub(super) const INLINE_BYTES_MAX: usize = 900;

/// How long a connection waits for another of this process; only opening and recovering a
/// database ever make it wait.
const BUSY_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Flushes. Commits are on stable storage when they return.
    Writer,
    /// Reads.
    Reader,
}

const SCHEMA: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
    CREATE TABLE register (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        revision INTEGER NOT NULL, horizon INTEGER NOT NULL, clock_ms INTEGER NOT NULL,
        applied_index INTEGER, applied_marker BLOB,
        membership_index INTEGER, membership_marker BLOB, membership BLOB,
        lease_grants INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE session (client BLOB PRIMARY KEY, session BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE lease (
        lease INTEGER PRIMARY KEY, grant_number INTEGER NOT NULL, ttl_ms INTEGER NOT NULL);
    CREATE TABLE leased (
        lease INTEGER NOT NULL, key BLOB NOT NULL, PRIMARY KEY (lease, key)) WITHOUT ROWID;
    CREATE TABLE current (
        key BLOB PRIMARY KEY, mod_revision INTEGER NOT NULL, create_revision INTEGER NOT NULL,
        version INTEGER NOT NULL, lease INTEGER, large INTEGER, value BLOB) WITHOUT ROWID;
    CREATE TABLE undo (
        revision INTEGER NOT NULL, key BLOB NOT NULL, deletes INTEGER NOT NULL,
        mod_revision INTEGER NOT NULL, create_revision INTEGER NOT NULL, version INTEGER NOT NULL,
        lease INTEGER, large INTEGER, value BLOB, PRIMARY KEY (revision, key)) WITHOUT ROWID;
    CREATE TABLE pin (
        revision INTEGER NOT NULL, lease INTEGER NOT NULL,
        PRIMARY KEY (revision, lease)) WITHOUT ROWID;
    CREATE TABLE pinned (
        key BLOB NOT NULL, revision INTEGER NOT NULL,
        mod_revision INTEGER NOT NULL, create_revision INTEGER NOT NULL, version INTEGER NOT NULL,
        lease INTEGER, large INTEGER, value BLOB, PRIMARY KEY (key, revision)) WITHOUT ROWID;
    CREATE TABLE large_value (id INTEGER PRIMARY KEY, value BLOB NOT NULL);
";

/// Creates an empty database in a file that does not exist yet, with the settings for loading it:
/// nothing is durable or crash-safe until the file is synced and renamed.
pub(super) fn create(path: &Path, group: GroupId) -> Result<Connection, StateError> {
    let connection = Connection::open(path).map_err(from_sql)?;
    connection
        .execute_batch(
            "PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; \
             PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -8192;",
        )
        .map_err(from_sql)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.execute_batch(&format!("BEGIN; {SCHEMA}")).map_err(from_sql)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(from_sql)?;
    let meta = "INSERT INTO meta VALUES (?, ?)";
    connection.execute(meta, ("aspen_version", VERSION)).map_err(from_sql)?;
    connection.execute(meta, ("format", STATE_FORMAT)).map_err(from_sql)?;
    connection.execute(meta, ("group", group.get())).map_err(from_sql)?;
    Registers::default().store(&connection)?;
    Ok(connection)
}

/// Opens a connection to an existing database.
pub(super) fn open(
    path: &Path,
    role: Role,
    options: &StateOptions,
) -> Result<Connection, StateError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(from_sql)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Held statements are not prepared again for the values bound to them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(from_sql)?;
    connection.busy_timeout(BUSY_WAIT).map_err(from_sql)?;
    let (cache_bytes, mmap_bytes) = match role {
        Role::Writer => (options.writer_cache_bytes, 0),
        Role::Reader => (options.reader_cache_bytes, options.mmap_bytes),
    };
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; \
             PRAGMA cache_size = -{}; PRAGMA mmap_size = {}; PRAGMA journal_size_limit = {};",
            cache_bytes / 1024,
            mmap_bytes,
            WAL_BYTES_KEPT,
        ))
        .map_err(from_sql)?;
    if role == Role::Reader {
        connection.pragma_update(None, "query_only", true).map_err(from_sql)?;
    }
    Ok(connection)
}

/// How long the write-ahead log file may stay after a checkpoint, in bytes: space to write over
/// again. More spares growing the file; less gives the space back.
const WAL_BYTES_KEPT: usize = 64 * 1024 * 1024;

/// Checks that the database is one of ours, of this group, in a format that this program reads;
/// answers which format.
pub(super) fn check_identity(
    connection: &Connection,
    path: &Path,
    group: Option<GroupId>,
) -> Result<u32, StateError> {
    let format: u32 = meta(connection, path, "format")?;
    if format > STATE_FORMAT {
        let writer: String = meta(connection, path, "aspen_version")?;
        return Err(StateError::Incompatible(format!(
            "{} has format {format}, written by Aspen {writer}; this is Aspen {VERSION}, which \
             reads up to format {STATE_FORMAT}: start Aspen {writer} or newer",
            path.display()
        )));
    }
    let owner: u32 = meta(connection, path, "group")?;
    let owner = GroupId::from_raw(owner);
    if group.is_some_and(|group| group != owner) {
        return Err(StateError::Incompatible(format!(
            "{} belongs to group {owner}, not to {}: the data directory is mixed up",
            path.display(),
            group.unwrap_or(owner)
        )));
    }
    match has_row(connection)? {
        true => Ok(format),
        false => Err(foreign(path, "the register row is missing")),
    }
}

fn meta<T: rusqlite::types::FromSql>(
    connection: &Connection,
    path: &Path,
    name: &str,
) -> Result<T, StateError> {
    connection
        .query_row("SELECT value FROM meta WHERE name = ?", [name], |row| row.get(0))
        .optional()
        .map_err(|error| foreign(path, &error.to_string()))?
        .ok_or_else(|| foreign(path, &format!("meta has no {name}")))
}

/// What to do about a file that cannot be used.
pub(super) fn foreign(path: &Path, what: &str) -> StateError {
    StateError::Corrupt(format!(
        "{}: {what}; replace this node: remove it from the cluster and join a new one with a new id",
        path.display()
    ))
}

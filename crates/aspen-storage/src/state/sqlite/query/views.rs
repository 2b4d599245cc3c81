//! What a query selects from.
//!
//! The views read the body's tables, the query must not. SQLite tells the authorizer which view a
//! table is read by, but takes a common table expression for one: with `WITH kv AS (SELECT * FROM
//! session)`, `session` is read "by `kv`". So the tables are read by views with names that are
//! drawn for each connection, which no query can know, and only these may read tables.

use std::collections::BTreeSet;

use aspen_core::runtime;
use rusqlite::Connection;

/// The views that queries name.
pub(super) const VIEWS: [&str; 4] = ["kv", "kv_raw", "kv_history", "kv_state"];

/// What a connection has to select from, and what it must not.
pub(super) struct Views {
    /// What follows the name of a view in the name of the one that reads its tables.
    suffix: String,
    /// Everything else that SQLite would find by a name, in lower case.
    tables: BTreeSet<String>,
}

impl Views {
    /// Whether a name is of a view that reads tables.
    pub(super) fn is_inner(&self, name: &str) -> bool {
        name.strip_suffix(&self.suffix).is_some_and(|view| VIEWS.contains(&view))
    }

    /// Whether a name is of a table, or of what SQLite makes up when it is asked for it.
    pub(super) fn is_table(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let made_up = name.starts_with("sqlite_") || name.starts_with("pragma_");
        made_up || self.tables.contains(&name)
    }
}

/// Creates the views.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<Views> {
    let select = "SELECT lower(name) FROM main.sqlite_schema \
                  UNION SELECT lower(name) FROM pragma_module_list";
    let tables = connection
        .prepare(select)?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let drawn = runtime::random_bytes::<16>().map(|byte| format!("{byte:02x}")).concat();
    let suffix = format!("_{drawn}");
    connection.execute_batch(&DEFINITIONS.replace("{suffix}", &suffix))?;
    Ok(Views { suffix, tables })
}

/// Keys and values are bytes. As blobs they would equal no text, so `kv` calls them text, whose
/// bytes stay as they are; the order is the same.
///
/// The history holds every version that can be read at the horizon or later, and the deletions
/// above it; those below may be gone already, depending on how far compaction has come.
const DEFINITIONS: &str = "
    CREATE TEMP VIEW kv_raw{suffix} AS
        SELECT c.key, iif(c.large IS NULL, c.value,
                   (SELECT l.value FROM main.large_value l WHERE l.id = c.large)) AS value,
               c.version, c.create_revision, c.mod_revision, c.lease
        FROM main.current c WHERE c.version > 0;
    CREATE TEMP VIEW kv{suffix} AS
        SELECT CAST(key AS TEXT) AS key, CAST(value AS TEXT) AS value,
               version, create_revision, mod_revision, lease
        FROM kv_raw{suffix};
    CREATE TEMP VIEW kv_state{suffix} AS
        SELECT revision, horizon FROM main.register WHERE one = 1;
    CREATE TEMP VIEW kv_history{suffix} AS
        SELECT CAST(h.key AS TEXT) AS key, h.mod_revision AS revision,
               CAST(iif(h.large IS NULL, h.value,
                   (SELECT l.value FROM main.large_value l WHERE l.id = h.large)) AS TEXT) AS value,
               h.version, nullif(h.create_revision, 0) AS create_revision, h.lease,
               h.superseded_at
        FROM (SELECT key, mod_revision, create_revision, version, lease, large, value,
                     NULL AS superseded_at FROM main.current
              UNION ALL
              SELECT key, mod_revision, create_revision, version, lease, large, value,
                     revision FROM main.undo
              WHERE revision > (SELECT horizon FROM main.register) AND mod_revision > 0) h
        WHERE h.version > 0 OR h.mod_revision > (SELECT horizon FROM main.register);
    CREATE TEMP VIEW kv AS SELECT * FROM kv{suffix};
    CREATE TEMP VIEW kv_raw AS SELECT * FROM kv_raw{suffix};
    CREATE TEMP VIEW kv_history AS SELECT * FROM kv_history{suffix};
    CREATE TEMP VIEW kv_state AS SELECT * FROM kv_state{suffix};
";

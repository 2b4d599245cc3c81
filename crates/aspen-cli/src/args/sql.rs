//! `aspen sql …`

use aspen_core::{SQL_ROWS_DEFAULT, SQL_ROWS_MAX};
use clap::Args;

/// What there is to select from, as `--help` shows it.
pub(crate) const VIEWS: &str = "\
What there is to select from; all of a query sees one revision:
  kv          key, value, version, create_revision, mod_revision, lease
  kv_history  key, revision, value (NULL: deleted), version (0: deleted), create_revision, lease,
              superseded_at (NULL: newest); every version readable at the horizon or later
  kv_raw      as kv, with key and value as blobs; WHERE key = CAST('k' AS BLOB) finds a key at once
  kv_state    revision, horizon (the oldest readable revision); one row
Only SELECT, with SQLite's own functions. --timeout bounds the query's time, at most 30s.

  aspen sql \"SELECT count(*), sum(octet_length(value)) FROM kv WHERE key LIKE 'user/%'\"
  aspen sql \"SELECT substr(key, 1, instr(key, '/')) AS dir, count(*) FROM kv GROUP BY dir\"";

/// `sql`
#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// One SELECT; `-` reads it from standard input.
    pub(crate) query: String,
    /// At most this many rows.
    #[arg(long, value_name = "N", default_value_t = SQL_ROWS_DEFAULT)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(SQL_ROWS_MAX)))]
    pub(crate) limit: u32,
    /// Ask any node for what it has in its database: some seconds old while keys change, and
    /// answered without a majority.
    #[arg(long)]
    pub(crate) stale: bool,
}

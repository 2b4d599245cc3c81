//! Reading the body at a pinned revision below the horizon.
//!
//! Compaction moves what a pin needs from `undo` to `pinned`: (key, revision) → what the key was
//! before that revision changed it, if it existed. It takes the rows of a key oldest first, and
//! every change above the lowest pin was given its `undo` row. So a key at a pinned revision `p`
//! is:
//!
//! 1. its first row in `pinned` above `p`, if that row's `mod_revision` is not above `p`; otherwise
//! 2. where the walk back from `current` through `undo` leads. A step that is missing was taken
//!    by compaction, and with it every row before it; none of them showed the key to `p`, so there
//!    was no such key.

use aspen_core::{KeyRange, Revision, ScanOrder};
use rusqlite::{Connection, OptionalExtension, params};

use super::sql::{from_sql, revision_in};
use super::stored::{COLUMNS, Stored};
use super::view::{View, Visit};
use crate::state::StateError;

/// Whether a revision is pinned in the state that the connection sees.
pub(super) fn is_pinned(connection: &Connection, at: Revision) -> Result<bool, StateError> {
    connection
        .prepare_cached("SELECT 1 FROM pin WHERE revision = ? LIMIT 1")
        .and_then(|mut select| select.exists([revision_in(at)]))
        .map_err(from_sql)
}

impl View<'_> {
    /// A key's state at a pinned revision as `pinned` knows it.
    pub(super) fn kept_for_pin(
        &self,
        key: &[u8],
        at: Revision,
    ) -> Result<Option<Stored>, StateError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM pinned WHERE key = ? AND revision > ? ORDER BY revision LIMIT 1"
        );
        let mut select = self.connection().prepare_cached(&sql).map_err(from_sql)?;
        let row = select.query_row(params![key, revision_in(at)], |row| Stored::from_row(row, 0));
        let row = row.optional().map_err(from_sql)?;
        Ok(row.filter(|state| state.mod_revision <= at))
    }

    /// [`View::range`] at a pinned revision: keys that are gone since are found by what is kept of
    /// them.
    pub(super) fn pinned_range(
        &mut self,
        range: &KeyRange,
        order: ScanOrder,
        at: Revision,
        with_values: bool,
        visit: &mut Visit<'_>,
    ) -> Result<(), StateError> {
        let connection = self.connection();
        let sql = keys_sql(range, order);
        let mut select = connection.prepare_cached(&sql).map_err(from_sql)?;
        let at_in = revision_in(at);
        let rows = match &range.end {
            Some(end) => select.query(params![&range.start[..], at_in, &end[..]]),
            None => select.query(params![&range.start[..], at_in]),
        };
        let mut rows = rows.map_err(from_sql)?;
        while let Some(row) = rows.next().map_err(from_sql)? {
            let key = row.get_ref(0).map_err(from_sql)?;
            let key = key.as_blob().map_err(|error| StateError::Corrupt(error.to_string()))?;
            let Some(state) = self.state_at(key, at)? else { continue };
            let version = self.version_of(state, with_values)?;
            if !visit(key, version)? {
                break;
            }
        }
        Ok(())
    }
}

/// The keys that may have existed at revision `?2`. Both tables give them in order, so that they
/// are merged as they come.
fn keys_sql(range: &KeyRange, order: ScanOrder) -> String {
    let end = if range.end.is_some() { " AND key < ?3" } else { "" };
    let order = match order {
        ScanOrder::Forward => "",
        ScanOrder::Reverse => " DESC",
    };
    format!(
        "SELECT key FROM current WHERE key >= ?1{end} \
         UNION SELECT key FROM pinned WHERE key >= ?1{end} AND revision > ?2 \
         AND mod_revision <= ?2 ORDER BY key{order}"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Sorting first would make every page cost as much as the whole range.
    #[test]
    fn keys_are_merged_and_not_sorted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let group = aspen_core::GroupId::META;
        let connection = super::super::body::create(&path, group).unwrap();
        for order in [ScanOrder::Forward, ScanOrder::Reverse] {
            let sql = keys_sql(&KeyRange::half_open("a", "b"), order);
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let bounds = params![&b"a"[..], 7, &b"b"[..]];
            let steps = explain.query_map(bounds, |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
        }
    }
}

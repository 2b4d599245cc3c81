//! Reading the body at one instant.

use aspen_core::{Key, KeyRange, LeaseId, Revision, ScanOrder};
use bytes::Bytes;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::pinned::is_pinned;
use super::sql::{from_sql, lease_in, lease_out, revision_in, revision_out};
use super::stored::{COLUMNS, COLUMNS_BARE, Content, Stored};
use crate::state::{StateError, Summary, Version};

/// What [`View::range`] calls with every key and its version; it answers whether to go on.
pub(super) type Visit<'a> = dyn FnMut(&[u8], Version) -> Result<bool, StateError> + 'a;

/// One read transaction on the body. It sees one state of it, at `revision`, and can answer for
/// every revision from the body's horizon on, and for those that are pinned.
pub(super) struct View<'c> {
    connection: &'c Connection,
    current: CachedStatement<'c>,
    summary: CachedStatement<'c>,
    undo: CachedStatement<'c>,
    large: CachedStatement<'c>,
    /// The last revision in the body.
    pub(super) revision: Revision,
    /// The oldest revision from which on the body can answer for all.
    pub(super) horizon: Revision,
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        // A read transaction has nothing to lose; a failure to end it shows at the next begin.
        let _ = self.connection.prepare_cached("COMMIT").and_then(|mut end| end.execute([]));
    }
}

impl<'c> View<'c> {
    /// Begins the transaction.
    pub(super) fn begin(connection: &'c Connection) -> Result<Self, StateError> {
        let prepare = |sql: &str| connection.prepare_cached(sql).map_err(from_sql);
        prepare("BEGIN")?.execute([]).map_err(from_sql)?;
        let mut view = Self {
            connection,
            current: prepare(&format!("SELECT {COLUMNS} FROM current WHERE key = ?"))?,
            summary: prepare(
                "SELECT mod_revision, create_revision, version, lease FROM current WHERE key = ?",
            )?,
            undo: prepare(&format!("SELECT {COLUMNS} FROM undo WHERE revision = ? AND key = ?"))?,
            large: prepare("SELECT value FROM large_value WHERE id = ?")?,
            revision: Revision::ZERO,
            horizon: Revision::ZERO,
        };
        (view.revision, view.horizon) =
            prepare("SELECT revision, horizon FROM register WHERE one = 1")?
                .query_row([], |row| Ok((revision_out(row.get(0)?), revision_out(row.get(1)?))))
                .map_err(from_sql)?;
        Ok(view)
    }

    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// A key's version at a revision.
    pub(super) fn at(&mut self, key: &[u8], at: Revision) -> Result<Option<Version>, StateError> {
        self.check_readable(at)?;
        match self.state_at(key, at)? {
            None => Ok(None),
            Some(state) => self.version(state).map(Some),
        }
    }

    /// A key's row at a revision that can be read.
    pub(super) fn state_at(
        &mut self,
        key: &[u8],
        at: Revision,
    ) -> Result<Option<Stored>, StateError> {
        if at < self.horizon
            && let Some(kept) = self.kept_for_pin(key, at)?
        {
            return Ok(Some(kept));
        }
        let newest = self.newest(key)?;
        self.walk_back(key, newest, at)
    }

    /// A key's row in `current`.
    pub(super) fn newest(&mut self, key: &[u8]) -> Result<Option<Stored>, StateError> {
        let row = self.current.query_row([key], |row| Stored::from_row(row, 0));
        row.optional().map_err(from_sql)
    }

    /// A key's row in `current` without its value.
    pub(super) fn newest_summary(&mut self, key: &[u8]) -> Result<Option<Summary>, StateError> {
        let row = self.summary.query_row([key], |row| {
            let version = row.get::<_, i64>(2)?.cast_unsigned();
            let created = revision_out(row.get(1)?);
            let live = (version > 0).then_some((version, created));
            let lease = lease_out(row.get(3)?);
            Ok(Summary { mod_revision: revision_out(row.get(0)?), live, lease })
        });
        row.optional().map_err(from_sql)
    }

    /// The keys that are attached to a lease in the body's newest state, in order.
    pub(super) fn leased(&mut self, lease: LeaseId) -> Result<Vec<Key>, StateError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT key FROM leased WHERE lease = ? ORDER BY key")
            .map_err(from_sql)?;
        let mut rows = select.query([lease_in(Some(lease))]).map_err(from_sql)?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next().map_err(from_sql)? {
            let key = row.get_ref(0).map_err(from_sql)?;
            let key = key.as_blob().map_err(|error| StateError::Corrupt(error.to_string()))?;
            keys.push(stored_key(key)?);
        }
        Ok(keys)
    }

    /// Whether the body can answer for a revision.
    pub(super) fn check_readable(&self, at: Revision) -> Result<(), StateError> {
        match at < self.horizon && is_pinned(self.connection, at)? {
            true => Ok(()),
            false => self.check_history(at),
        }
    }

    /// Whether the body knows all that came after a revision.
    pub(super) fn check_history(&self, at: Revision) -> Result<(), StateError> {
        match at < self.horizon {
            true => Err(StateError::Compacted { requested: at, horizon: self.horizon }),
            false => Ok(()),
        }
    }

    /// What a state was at a revision, by undoing the changes after it.
    fn walk_back(
        &mut self,
        key: &[u8],
        mut state: Option<Stored>,
        at: Revision,
    ) -> Result<Option<Stored>, StateError> {
        while let Some(newer) = state.as_ref().filter(|state| state.mod_revision > at) {
            let changed = newer.mod_revision;
            let before = self
                .undo
                .query_row(params![revision_in(changed), key], |row| Stored::from_row(row, 0))
                .optional()
                .map_err(from_sql)?;
            let Some(before) = before else {
                // Below the horizon compaction has been here.
                return match changed <= self.horizon {
                    true => Ok(None),
                    false => Err(broken_history(key, changed)),
                };
            };
            // A key goes back in time at every step, or this would never end.
            if before.mod_revision >= changed {
                return Err(broken_history(key, changed));
            }
            state = Some(before).filter(|before| before.mod_revision > Revision::ZERO);
        }
        Ok(state)
    }

    /// A state with its value.
    pub(super) fn version(&mut self, state: Stored) -> Result<Version, StateError> {
        let value = match &state.content {
            Content::Inline(value) => value.clone(),
            Content::Nothing => Bytes::new(),
            Content::Large(id) => self.large_value(*id)?,
        };
        state.into_version(value)
    }

    /// A state as a version, whose value is left empty unless it is wanted.
    pub(super) fn version_of(
        &mut self,
        state: Stored,
        with_value: bool,
    ) -> Result<Version, StateError> {
        match with_value {
            true => self.version(state),
            false => state.into_version(Bytes::new()),
        }
    }

    /// A value that stands apart.
    pub(super) fn large_value(&mut self, id: i64) -> Result<Bytes, StateError> {
        let value: Vec<u8> = self
            .large
            .query_row([id], |row| row.get(0))
            .optional()
            .map_err(from_sql)?
            .ok_or_else(|| StateError::Corrupt(format!("large value {id} is missing")))?;
        Ok(value.into())
    }

    /// Visits the versions of a range at a revision in order, deletions included, until `visit`
    /// answers `false`. Values are left empty unless asked for.
    pub(super) fn range(
        &mut self,
        range: &KeyRange,
        order: ScanOrder,
        at: Revision,
        with_values: bool,
        visit: &mut Visit<'_>,
    ) -> Result<(), StateError> {
        self.check_readable(at)?;
        if at < self.horizon {
            return self.pinned_range(range, order, at, with_values, visit);
        }
        let connection = self.connection;
        let sql = range_sql(range, order, with_values);
        let mut select = connection.prepare_cached(&sql).map_err(from_sql)?;
        let rows = match &range.end {
            Some(end) => select.query([&range.start[..], &end[..]]),
            None => select.query([&range.start[..]]),
        };
        let mut rows = rows.map_err(from_sql)?;
        while let Some(row) = rows.next().map_err(from_sql)? {
            let key = row.get_ref(0).map_err(from_sql)?;
            let key = key.as_blob().map_err(|error| StateError::Corrupt(error.to_string()))?;
            let state = Stored::from_row(row, 1).map_err(from_sql)?;
            let Some(state) = self.walk_back(key, Some(state), at)? else { continue };
            let version = self.version_of(state, with_values)?;
            if !visit(key, version)? {
                break;
            }
        }
        Ok(())
    }

    /// How many keys of a range exist in the body's newest state.
    pub(super) fn count(&mut self, range: &KeyRange) -> Result<u64, StateError> {
        let end = if range.end.is_some() { " AND key < ?" } else { "" };
        let sql = format!("SELECT count(*) FROM current WHERE version > 0 AND key >= ?{end}");
        let mut select = self.connection.prepare_cached(&sql).map_err(from_sql)?;
        let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let keys = match &range.end {
            Some(end) => select.query_row([&range.start[..], &end[..]], count),
            None => select.query_row([&range.start[..]], count),
        };
        keys.map(i64::cast_unsigned).map_err(from_sql)
    }
}

fn range_sql(range: &KeyRange, order: ScanOrder, with_values: bool) -> String {
    let columns = if with_values { COLUMNS } else { COLUMNS_BARE };
    let end = if range.end.is_some() { " AND key < ?" } else { "" };
    let order = match order {
        ScanOrder::Forward => "",
        ScanOrder::Reverse => " DESC",
    };
    format!("SELECT key, {columns} FROM current WHERE key >= ?{end} ORDER BY key{order}")
}

fn broken_history(key: &[u8], at: Revision) -> StateError {
    StateError::Corrupt(format!("history of {} breaks at revision {at}", key.escape_ascii()))
}

/// A key from the database, which holds only keys that passed the checks of [`Key`].
pub(super) fn stored_key(bytes: &[u8]) -> Result<Key, StateError> {
    Key::new(Bytes::copy_from_slice(bytes)).map_err(|error| StateError::Corrupt(error.to_string()))
}

//! A key's state as the body's rows hold it.

use aspen_core::{Key, LeaseId, Revision, Value};
use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, Row, params};

use super::body::INLINE_BYTES_MAX;
use super::sql::{from_sql, lease_in, lease_out, revision_in, revision_out};
use crate::state::{Live, StateError, Version};

/// One version in a row: `version` 0 is a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) mod_revision: Revision,
    pub(super) create_revision: Revision,
    pub(super) version: u64,
    pub(super) lease: Option<LeaseId>,
    pub(super) content: Content,
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nowhere: a deletion, or a value that nobody asked for.
    Nothing,
    /// In the row.
    Inline(Bytes),
    /// In `large_value`, under this id.
    Large(i64),
}

/// The columns of a state, in the order that [`Stored::from_row`] expects.
pub(super) const COLUMNS: &str = "mod_revision, create_revision, version, lease, large, value";

/// The same without the value.
pub(super) const COLUMNS_BARE: &str = "mod_revision, create_revision, version, lease, NULL, NULL";

impl Stored {
    /// The state from [`COLUMNS`] that begin at column `first`.
    pub(super) fn from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let content = match (row.get::<_, Option<i64>>(first + 4)?, row.get_ref(first + 5)?) {
            (Some(large), _) => Content::Large(large),
            (None, ValueRef::Blob(value)) => Content::Inline(Bytes::copy_from_slice(value)),
            (None, _) => Content::Nothing,
        };
        Ok(Self {
            mod_revision: revision_out(row.get(first)?),
            create_revision: revision_out(row.get(first + 1)?),
            version: row.get::<_, i64>(first + 2)?.cast_unsigned(),
            lease: lease_out(row.get(first + 3)?),
            content,
        })
    }

    /// The state of a version whose value stands in its row. There is none for a deletion, whose
    /// row may be gone, nor for a value that stands apart, whose place only the row knows.
    pub(super) fn inline(key: &Key, version: Version) -> Option<Self> {
        let live = version.live?;
        (key.as_bytes().len() + live.value.len() <= INLINE_BYTES_MAX).then(|| Self {
            mod_revision: version.mod_revision,
            create_revision: live.create_revision,
            version: live.version,
            lease: live.lease,
            content: Content::Inline(live.value.into_bytes()),
        })
    }

    pub(super) fn is_deletion(&self) -> bool {
        self.version == 0
    }

    /// The id of a value that stands apart.
    pub(super) fn large(&self) -> Option<i64> {
        match self.content {
            Content::Large(id) => Some(id),
            _ => None,
        }
    }

    /// The version, given its value.
    pub(super) fn into_version(self, value: Bytes) -> Result<Version, StateError> {
        let live = match self.is_deletion() {
            true => None,
            false => Some(Live {
                value: Value::new(value).map_err(|error| StateError::Corrupt(error.to_string()))?,
                version: self.version,
                create_revision: self.create_revision,
                lease: self.lease,
            }),
        };
        Ok(Version { mod_revision: self.mod_revision, live })
    }
}

/// Writes states into `current` and `undo`, long values apart. Statements stay prepared.
pub(super) struct RowWriter<'c> {
    connection: &'c Connection,
    current: CachedStatement<'c>,
    undo: CachedStatement<'c>,
    pinned: CachedStatement<'c>,
    large: CachedStatement<'c>,
    large_delete: CachedStatement<'c>,
    attach: CachedStatement<'c>,
    detach: CachedStatement<'c>,
}

impl<'c> RowWriter<'c> {
    pub(super) fn new(connection: &'c Connection) -> Result<Self, StateError> {
        let prepare = |sql| connection.prepare_cached(sql).map_err(from_sql);
        Ok(Self {
            connection,
            current: prepare("REPLACE INTO current VALUES (?, ?, ?, ?, ?, ?, ?)")?,
            undo: prepare("REPLACE INTO undo VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?,
            pinned: prepare("REPLACE INTO pinned VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?,
            large: prepare("INSERT INTO large_value (value) VALUES (?)")?,
            large_delete: prepare("DELETE FROM large_value WHERE id = ?")?,
            attach: prepare("REPLACE INTO leased VALUES (?, ?)")?,
            detach: prepare("DELETE FROM leased WHERE lease = ? AND key = ?")?,
        })
    }

    /// A version as it is stored; a long value gets its row here.
    pub(super) fn store(&mut self, key: &[u8], version: &Version) -> Result<Stored, StateError> {
        let mod_revision = version.mod_revision;
        let Some(live) = &version.live else {
            return Ok(Stored {
                mod_revision,
                create_revision: Revision::ZERO,
                version: 0,
                lease: None,
                content: Content::Nothing,
            });
        };
        let content = match key.len() + live.value.len() <= INLINE_BYTES_MAX {
            true => Content::Inline(live.value.clone().into_bytes()),
            false => {
                self.large.execute([live.value.as_bytes()]).map_err(from_sql)?;
                Content::Large(self.connection.last_insert_rowid())
            }
        };
        Ok(Stored {
            mod_revision,
            create_revision: live.create_revision,
            version: live.version,
            lease: live.lease,
            content,
        })
    }

    /// Makes a state the key's newest.
    pub(super) fn current(&mut self, key: &[u8], state: &Stored) -> Result<(), StateError> {
        self.current
            .execute(params![
                key,
                revision_in(state.mod_revision),
                revision_in(state.create_revision),
                state.version.cast_signed(),
                lease_in(state.lease),
                state.large(),
                inline(state),
            ])
            .map_err(from_sql)?;
        Ok(())
    }

    /// Moves a key from the lease of its row to that of its new one.
    pub(super) fn attach(
        &mut self,
        key: &[u8],
        before: Option<LeaseId>,
        after: Option<LeaseId>,
    ) -> Result<(), StateError> {
        if before == after {
            return Ok(());
        }
        if before.is_some() {
            self.detach.execute(params![lease_in(before), key]).map_err(from_sql)?;
        }
        if after.is_some() {
            self.attach.execute(params![lease_in(after), key]).map_err(from_sql)?;
        }
        Ok(())
    }

    /// Keeps what a key was before `revision` changed it.
    pub(super) fn undo(
        &mut self,
        revision: Revision,
        key: &[u8],
        deletes: bool,
        before: Option<&Stored>,
    ) -> Result<(), StateError> {
        self.undo
            .execute(params![
                revision_in(revision),
                key,
                deletes,
                revision_in(before.map_or(Revision::ZERO, |state| state.mod_revision)),
                revision_in(before.map_or(Revision::ZERO, |state| state.create_revision)),
                before.map_or(0, |state| state.version.cast_signed()),
                before.and_then(|state| lease_in(state.lease)),
                before.and_then(Stored::large),
                before.and_then(inline),
            ])
            .map_err(from_sql)?;
        Ok(())
    }

    /// Keeps what a key was before `revision` changed it, for pins.
    pub(super) fn pinned(
        &mut self,
        revision: Revision,
        key: &[u8],
        state: &Stored,
    ) -> Result<(), StateError> {
        self.pinned
            .execute(params![
                key,
                revision_in(revision),
                revision_in(state.mod_revision),
                revision_in(state.create_revision),
                state.version.cast_signed(),
                lease_in(state.lease),
                state.large(),
                inline(state),
            ])
            .map_err(from_sql)?;
        Ok(())
    }

    /// Removes a value that stands apart.
    pub(super) fn remove_large(&mut self, id: i64) -> Result<(), StateError> {
        self.large_delete.execute([id]).map_err(from_sql)?;
        Ok(())
    }
}

fn inline(state: &Stored) -> Option<&[u8]> {
    match &state.content {
        Content::Inline(value) => Some(value),
        _ => None,
    }
}

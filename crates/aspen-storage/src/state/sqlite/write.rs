//! Moving a frozen layer into the body.

use aspen_core::{Key, Revision};
use rusqlite::{Connection, OptionalExtension};

use super::head::{Chain, Frozen};
use super::lease_rows::store_leases;
use super::registers::{Registers, store_sessions};
use super::sql::from_sql;
use super::stored::{COLUMNS, RowWriter, Stored};
use crate::state::fault_point::FaultPoint;
use crate::state::{StateError, Version};

/// Answers a key's newest version in the body if it is at hand, to spare the search for it.
pub(super) type Known<'a> = dyn Fn(&Key) -> Option<Version> + 'a;

/// Writes a layer, its registers and sessions in one transaction, on stable storage when it
/// returns. A failure leaves the body as it was; a layer that is there already is left alone, for
/// written twice, its history would undo to itself.
pub(super) fn write_frozen(
    connection: &Connection,
    frozen: &Frozen,
    known: &Known<'_>,
) -> Result<(), StateError> {
    in_transaction(connection, || {
        if Registers::load(connection)?.applied == frozen.registers.applied {
            return Ok(());
        }
        write_layer(connection, frozen, known)?;
        store_sessions(connection, &frozen.sessions)?;
        store_leases(connection, &frozen.leases)?;
        frozen.registers.store(connection)?;
        FaultPoint::FlushWritten.reach();
        Ok(())
    })
}

/// Runs work in a transaction that is rolled back when the work or the commit fails.
pub(super) fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, StateError>,
) -> Result<T, StateError> {
    let run = |sql| connection.prepare_cached(sql).and_then(|mut it| it.execute([]));
    run("BEGIN IMMEDIATE").map_err(from_sql)?;
    let result = work().and_then(|value| run("COMMIT").map_err(from_sql).map(|_| value));
    if result.is_err() && !connection.is_autocommit() {
        // The first failure is the one to report; SQLite may have rolled back by itself.
        let _ = run("ROLLBACK");
    }
    result
}

fn write_layer(
    connection: &Connection,
    frozen: &Frozen,
    known: &Known<'_>,
) -> Result<(), StateError> {
    let Registers { horizon, pins, .. } = &frozen.registers;
    let mut writer = LayerWriter::new(connection, pins.floor(*horizon), known)?;
    for (key, chain) in &frozen.layer.keys {
        writer.key(key, chain)?;
    }
    writer.undo()
}

/// What a key was before a change, waiting to be written in the order of revisions.
struct Undo<'a> {
    revision: Revision,
    key: &'a Key,
    deletes: bool,
    before: Option<Stored>,
}

struct LayerWriter<'a> {
    rows: RowWriter<'a>,
    select: rusqlite::CachedStatement<'a>,
    delete: rusqlite::CachedStatement<'a>,
    known: &'a Known<'a>,
    /// Every change above it gets an undo row: the horizon, or the lowest pin below it. What lies
    /// between the two is for compaction to sort out.
    floor: Revision,
    undo: Vec<Undo<'a>>,
}

impl<'a> LayerWriter<'a> {
    fn new(
        connection: &'a Connection,
        floor: Revision,
        known: &'a Known<'a>,
    ) -> Result<Self, StateError> {
        let prepare = |sql: &str| connection.prepare_cached(sql).map_err(from_sql);
        Ok(Self {
            rows: RowWriter::new(connection)?,
            select: prepare(&format!("SELECT {COLUMNS} FROM current WHERE key = ?"))?,
            delete: prepare("DELETE FROM current WHERE key = ?")?,
            known,
            floor,
            undo: Vec::new(),
        })
    }

    /// A key's row in the body.
    fn stored(&mut self, key: &Key) -> Result<Option<Stored>, StateError> {
        if let Some(stored) = (self.known)(key).and_then(|version| Stored::inline(key, version)) {
            return Ok(Some(stored));
        }
        let row = self.select.query_row([key.as_bytes()], |row| Stored::from_row(row, 0));
        row.optional().map_err(from_sql)
    }

    /// Writes a key's newest version, and notes what each of its changes above the floor undoes.
    fn key(&mut self, key: &'a Key, chain: &Chain) -> Result<(), StateError> {
        let bytes = key.as_bytes();
        let mut before = self.stored(key)?;
        let existed = before.is_some();
        let lease_before = before.as_ref().and_then(|state| state.lease);
        let lease_after = chain.newest.live.as_ref().and_then(|live| live.lease);
        self.rows.attach(bytes, lease_before, lease_after)?;
        let mut versions = chain.versions().peekable();
        while let Some(version) = versions.next() {
            let changed = version.mod_revision;
            if changed > self.floor {
                let (deletes, before) = (version.live.is_none(), before.take());
                self.undo.push(Undo { revision: changed, key, deletes, before });
            } else if let Some(id) = before.take().and_then(|state| state.large()) {
                self.rows.remove_large(id)?;
            }
            let superseded_at = versions.peek().map(|next| next.mod_revision);
            // Nobody can read a version that was superseded at or below the floor.
            if superseded_at.is_none_or(|at| at > self.floor) {
                before = Some(self.rows.store(bytes, version)?);
            }
        }
        match before {
            Some(state) if state.is_deletion() && state.mod_revision <= self.floor => {
                if existed {
                    self.delete.execute([bytes]).map_err(from_sql)?;
                }
                Ok(())
            }
            Some(state) => self.rows.current(bytes, &state),
            None => Ok(()),
        }
    }

    fn undo(mut self) -> Result<(), StateError> {
        // In the order of revisions the rows append to the tree instead of scattering over it.
        self.undo.sort_unstable_by(|a, b| (a.revision, a.key).cmp(&(b.revision, b.key)));
        for undo in &self.undo {
            let key = undo.key.as_bytes();
            self.rows.undo(undo.revision, key, undo.deletes, undo.before.as_ref())?;
        }
        Ok(())
    }
}

//! The group's registers and position as one row of the body, and its pins and sessions as rows
//! beside it.

use std::collections::BTreeMap;

use aspen_core::{ClientId, LogIndex, Revision, codec};
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::pin_rows::{load_pins, store_pins};
use super::sql::{from_sql, revision_in, revision_out};
use crate::state::readable::Readable;
use crate::state::{AppliedState, GroupState, PinTable, Position, Session, StateError};

/// What readers need, and becomes durable as a whole: [`GroupState`] without its sessions and
/// leases, and how far the state came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Registers {
    pub(super) revision: Revision,
    pub(super) horizon: Revision,
    pub(super) clock_ms: u64,
    pub(super) applied: AppliedState,
    /// How many leases the group has ever granted.
    pub(super) lease_grants: u64,
    /// Revisions that may be read below the horizon too.
    pub(super) pins: PinTable,
}

impl Registers {
    pub(super) fn new(group: &GroupState, applied: &AppliedState) -> Self {
        Self {
            revision: group.revision,
            horizon: group.horizon,
            clock_ms: group.clock_ms,
            applied: applied.clone(),
            lease_grants: group.leases.grants(),
            pins: group.pins.clone(),
        }
    }

    /// The revision that a read at `at` reads.
    pub(super) fn resolve(&self, at: Option<Revision>) -> Result<Revision, StateError> {
        self.readable().resolve(at)
    }

    /// Which revisions may be read.
    pub(super) fn readable(&self) -> Readable<'_> {
        Readable { revision: self.revision, horizon: self.horizon, pins: &self.pins }
    }

    pub(super) fn load(connection: &Connection) -> Result<Self, StateError> {
        let mut select = connection
            .prepare_cached(
                "SELECT revision, horizon, clock_ms, applied_index, applied_marker, \
                 membership_index, membership_marker, membership, lease_grants \
                 FROM register WHERE one = 1",
            )
            .map_err(from_sql)?;
        let registers = select.query_row([], from_row).map_err(from_sql)?;
        Ok(Self { pins: load_pins(connection)?, ..registers })
    }

    pub(super) fn store(&self, connection: &Connection) -> Result<(), StateError> {
        let position = self.applied.position.as_ref();
        let membership = self.applied.membership.as_ref();
        connection
            .prepare_cached("REPLACE INTO register VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .and_then(|mut replace| {
                replace.execute(params![
                    revision_in(self.revision),
                    revision_in(self.horizon),
                    self.clock_ms.cast_signed(),
                    position.map(|at| at.index.get().cast_signed()),
                    position.map(|at| &at.marker[..]),
                    membership.map(|(at, _)| at.index.get().cast_signed()),
                    membership.map(|(at, _)| &at.marker[..]),
                    membership.map(|(_, members)| &members[..]),
                    self.lease_grants.cast_signed(),
                ])
            })
            .map_err(from_sql)?;
        store_pins(connection, &self.pins)
    }
}

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Registers> {
    let position = |index: Option<i64>, marker: Option<Vec<u8>>| {
        let index = LogIndex::new(index?.cast_unsigned());
        Some(Position { index, marker: Bytes::from(marker?) })
    };
    let membership = position(row.get(5)?, row.get(6)?);
    let members: Option<Vec<u8>> = row.get(7)?;
    Ok(Registers {
        revision: revision_out(row.get(0)?),
        horizon: revision_out(row.get(1)?),
        clock_ms: row.get::<_, i64>(2)?.cast_unsigned(),
        applied: AppliedState {
            position: position(row.get(3)?, row.get(4)?),
            membership: membership.zip(members.map(Bytes::from)),
        },
        lease_grants: row.get::<_, i64>(8)?.cast_unsigned(),
        pins: PinTable::default(),
    })
}

/// Writes sessions that changed; `None` removes one.
pub(super) fn store_sessions(
    connection: &Connection,
    sessions: &BTreeMap<ClientId, Option<Session>>,
) -> Result<(), StateError> {
    for (client, session) in sessions {
        match session {
            Some(session) => {
                let bytes = codec::encode(session)
                    .map_err(|error| StateError::Io(format!("session of {client}: {error}")))?;
                store_session(connection, *client, &bytes)?;
            }
            None => {
                connection
                    .prepare_cached("DELETE FROM session WHERE client = ?")
                    .and_then(|mut delete| delete.execute([&client.as_bytes()[..]]))
                    .map_err(from_sql)?;
            }
        }
    }
    Ok(())
}

/// Writes one encoded session.
pub(super) fn store_session(
    connection: &Connection,
    client: ClientId,
    encoded: &[u8],
) -> Result<(), StateError> {
    connection
        .prepare_cached("REPLACE INTO session VALUES (?, ?)")
        .and_then(|mut replace| replace.execute((&client.as_bytes()[..], encoded)))
        .map_err(from_sql)?;
    Ok(())
}

/// Reads every session.
pub(super) fn load_sessions(
    connection: &Connection,
) -> Result<BTreeMap<ClientId, Session>, StateError> {
    let mut sessions = BTreeMap::new();
    each_session(connection, |client, encoded| {
        sessions.insert(client, decode_session(client, encoded)?);
        Ok(())
    })?;
    Ok(sessions)
}

/// Decodes a stored session.
pub(super) fn decode_session(client: ClientId, encoded: &[u8]) -> Result<Session, StateError> {
    codec::decode(encoded)
        .map_err(|error| StateError::Corrupt(format!("session of {client}: {error}")))
}

/// Visits every session in its encoded form, in the order of clients.
pub(super) fn each_session(
    connection: &Connection,
    mut visit: impl FnMut(ClientId, &[u8]) -> Result<(), StateError>,
) -> Result<(), StateError> {
    let mut select = connection
        .prepare_cached("SELECT client, session FROM session ORDER BY client")
        .map_err(from_sql)?;
    let mut rows = select.query([]).map_err(from_sql)?;
    while let Some(row) = rows.next().map_err(from_sql)? {
        let client: [u8; 16] = row.get(0).map_err(from_sql)?;
        let session = row.get_ref(1).map_err(from_sql)?;
        let session = session
            .as_blob()
            .map_err(|error| StateError::Corrupt(format!("session column: {error}")))?;
        visit(ClientId::new(client), session)?;
    }
    Ok(())
}

/// The register row, when the table has one.
pub(super) fn has_row(connection: &Connection) -> Result<bool, StateError> {
    connection
        .query_row("SELECT 1 FROM register WHERE one = 1", [], |_| Ok(()))
        .optional()
        .map(|row| row.is_some())
        .map_err(from_sql)
}

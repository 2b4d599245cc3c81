//! A memory state machine's snapshot rows.

use std::collections::BTreeMap;
use std::path::Path;

use aspen_core::{ClientId, GroupId, Key, LeaseId, Revision, Value, codec};
use serde::{Deserialize, Serialize};

use super::disk::Opening;
use crate::state::error::from_io;
use crate::state::snapshot::LostKey;
use crate::state::{
    AppliedState, GroupState, LeaseTable, LeaseTerms, Live, MemoryTables, Session, SnapshotFile,
    SnapshotHeader, SnapshotReader, SnapshotWriter, StateError, Tables, Version,
};

/// One row. A version is a row of its own, so that no row outgrows the container's limit.
#[derive(Serialize, Deserialize)]
enum Row {
    Session(ClientId, Session),
    Version(Key, Revision, Option<LiveRow>),
    /// A lease, the grant that made it, and its TTL in milliseconds.
    Lease(LeaseId, u64, u64),
    /// A revision that is pinned, and the lease that holds it.
    Pin(Revision, LeaseId),
}

/// Value, version, creation and lease of a key.
type LiveRow = (Value, u64, Revision, Option<LeaseId>);

/// Builds a snapshot and makes it the newest. Writers go on: the file is written from a copy.
pub(super) fn build(opening: &Opening) -> Result<SnapshotFile, StateError> {
    let (tables, applied) = {
        let state = opening.state()?;
        (state.tables.clone(), state.applied.clone())
    };
    let path = opening.fresh_path("snapshot");
    let file = write(&tables, applied, opening.disk().group(), &path)?;
    opening.state_mut()?.keep_snapshot(file.clone());
    Ok(file)
}

/// Replaces the state by a snapshot's, once the whole file has passed its checks.
pub(super) fn install(opening: &Opening, path: &Path) -> Result<AppliedState, StateError> {
    let (tables, applied) = read(path, opening.disk().group())?;
    let kept = opening.fresh_path("snapshot");
    let len_bytes = std::fs::metadata(path).map_err(|error| from_io(path, &error))?.len();
    let mut state = opening.state_mut()?;
    std::fs::rename(path, &kept).map_err(|error| from_io(path, &error))?;
    state.tables = tables;
    state.applied = applied.clone();
    state.keep_snapshot(SnapshotFile { path: kept, len_bytes, applied: applied.clone() });
    opening.announce(&state);
    Ok(applied)
}

/// Writes tables as they stood at `applied`.
fn write(
    tables: &MemoryTables,
    applied: AppliedState,
    group: GroupId,
    path: &Path,
) -> Result<SnapshotFile, StateError> {
    let registers = tables.group();
    let header = SnapshotHeader {
        group,
        applied,
        revision: registers.revision,
        horizon: registers.horizon,
        clock_ms: registers.clock_ms,
        lease_grants: registers.leases.grants(),
    };
    let mut writer = SnapshotWriter::create(path, &header)?;
    for (client, session) in registers.sessions.iter() {
        writer.row(&encode(&Row::Session(*client, session.clone()))?)?;
    }
    for (lease, granted) in registers.leases.iter() {
        let LeaseTerms { grant, ttl_ms } = granted.terms;
        writer.row(&encode(&Row::Lease(*lease, grant, ttl_ms))?)?;
    }
    for (revision, lease) in registers.pins.iter() {
        writer.row(&encode(&Row::Pin(revision, lease))?)?;
    }
    let mut lost = LostKey::planted();
    for (key, versions) in tables.versions() {
        if lost.is_next() {
            continue;
        }
        for version in versions {
            let live = version.live.clone();
            let live =
                live.map(|live| (live.value, live.version, live.create_revision, live.lease));
            writer.row(&encode(&Row::Version(key.clone(), version.mod_revision, live))?)?;
        }
    }
    writer.finish()
}

/// Reads and verifies a whole file; nothing is answered of one that fails a check.
fn read(path: &Path, group: GroupId) -> Result<(MemoryTables, AppliedState), StateError> {
    let mut reader = SnapshotReader::open(path)?;
    let header = reader.header().clone();
    if header.group != group {
        let detail = format!("snapshot of {} offered to {group}", header.group);
        return Err(StateError::Incompatible(detail));
    }
    let mut sessions = BTreeMap::new();
    let (mut leases, mut pins) = (Vec::new(), Vec::new());
    let mut keys = BTreeMap::<Key, Vec<Version>>::new();
    while let Some(row) = reader.next_row()? {
        match decode(row)? {
            Row::Session(client, session) => drop(sessions.insert(client, session)),
            Row::Lease(lease, grant, ttl_ms) => leases.push((lease, LeaseTerms { grant, ttl_ms })),
            Row::Pin(revision, lease) => pins.push((revision, lease)),
            Row::Version(key, mod_revision, live) => {
                let live = live.map(|(value, version, create_revision, lease)| Live {
                    value,
                    version,
                    create_revision,
                    lease,
                });
                keys.entry(key).or_default().push(Version { mod_revision, live });
            }
        }
    }
    let SnapshotHeader { applied, revision, horizon, clock_ms, lease_grants, .. } = header;
    let leases = LeaseTable::load(lease_grants, leases);
    let (sessions, pins) = (sessions.into(), pins.into_iter().collect());
    let registers = GroupState { revision, horizon, clock_ms, sessions, leases, pins };
    checked(MemoryTables::from_parts(registers, keys)).map(|tables| (tables, applied))
}

fn checked(tables: MemoryTables) -> Result<MemoryTables, StateError> {
    match tables.check_integrity().into_iter().next() {
        None => Ok(tables),
        Some(fault) => Err(StateError::Corrupt(format!("snapshot: {fault}"))),
    }
}

fn encode(row: &Row) -> Result<bytes::Bytes, StateError> {
    codec::encode(row).map_err(|error| StateError::Io(format!("snapshot row: {error}")))
}

fn decode(row: &[u8]) -> Result<Row, StateError> {
    codec::decode(row).map_err(|error| StateError::Corrupt(format!("snapshot row: {error}")))
}

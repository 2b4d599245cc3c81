//! The rows of a state snapshot.
//!
//! A row is an encoded [`SnapshotRow`]. All `Current` rows come first, in the order of keys; then
//! all `Undo` rows, in the order of revision and key; then all `Session` rows; then, since format
//! 2, all `Lease` rows, and, since format 3, all `Pin` and then all `Pinned` rows. History above
//! the horizon is part of the replicated state (it decides whether a range conflict can be
//! checked), so a snapshot carries it: a replica that installs one can answer for the same
//! revisions, pinned ones included.

use aspen_core::{ClientId, LeaseId, Revision, Value, codec};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::stored::Stored;
use crate::state::{Live, StateError, Version};

/// One row of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SnapshotRow {
    /// A key's newest version, a deletion included.
    Current { key: Bytes, state: RowState },
    /// What a key was before `revision` changed it; nothing for absent.
    Undo { revision: Revision, key: Bytes, deletes: bool, before: Option<RowState> },
    /// An encoded session.
    Session { client: ClientId, session: Bytes },
    /// A lease: which grant made it, and its TTL.
    Lease { lease: LeaseId, grant: u64, ttl_ms: u64 },
    /// A revision that is pinned, and the lease that holds it.
    Pin { revision: Revision, lease: LeaseId },
    /// What a key was before `revision`, not above the horizon, changed it, for the pins between.
    Pinned { revision: Revision, key: Bytes, state: RowState },
}

/// A key's state; `version` 0 is a deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RowState {
    mod_revision: Revision,
    create_revision: Revision,
    version: u64,
    lease: Option<LeaseId>,
    value: Bytes,
}

impl RowState {
    pub(super) fn new(state: &Stored, value: Bytes) -> Self {
        Self {
            mod_revision: state.mod_revision,
            create_revision: state.create_revision,
            version: state.version,
            lease: state.lease,
            value,
        }
    }

    pub(super) fn mod_revision(&self) -> Revision {
        self.mod_revision
    }

    pub(super) fn into_version(self) -> Result<Version, StateError> {
        let live = match self.version {
            0 => None,
            version => Some(Live {
                value: Value::new(self.value).map_err(|error| malformed(&error.to_string()))?,
                version,
                create_revision: self.create_revision,
                lease: self.lease,
            }),
        };
        Ok(Version { mod_revision: self.mod_revision, live })
    }
}

impl SnapshotRow {
    pub(super) fn encode(&self) -> Result<Bytes, StateError> {
        codec::encode(self).map_err(|error| StateError::Io(error.to_string()))
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        codec::decode(bytes).map_err(|error| malformed(&error.to_string()))
    }

    /// The table of the row; snapshots hold them in this order.
    pub(super) fn section(&self) -> u8 {
        match self {
            Self::Current { .. } => 0,
            Self::Undo { .. } => 1,
            Self::Session { .. } => 2,
            Self::Lease { .. } => 3,
            Self::Pin { .. } => 4,
            Self::Pinned { .. } => 5,
        }
    }
}

pub(super) fn malformed(what: &str) -> StateError {
    StateError::Corrupt(format!("snapshot row: {what}"))
}

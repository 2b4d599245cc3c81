//! What a snapshot says about itself.

use aspen_core::{GroupId, LogIndex, Revision, codec};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::state::{AppliedState, Position, StateError};

/// What a snapshot covers, readable without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// Whose state it is.
    pub group: GroupId,
    /// The last entry and membership it includes.
    pub applied: AppliedState,
    /// The state's revision.
    pub revision: Revision,
    /// The oldest revision that can be read from it.
    pub horizon: Revision,
    /// The group's clock, in Unix milliseconds.
    pub clock_ms: u64,
    /// How many leases the group has ever granted.
    pub lease_grants: u64,
}

/// The encoded form: fields by position, so new ones need a new format version. In format 1 it is
/// all; since format 2, `lease_grants` follows.
#[derive(Serialize, Deserialize)]
struct Encoded {
    group: GroupId,
    position: Option<(LogIndex, Bytes)>,
    membership: Option<((LogIndex, Bytes), Bytes)>,
    revision: Revision,
    horizon: Revision,
    clock_ms: u64,
}

impl SnapshotHeader {
    pub(super) fn encode(&self) -> Result<Bytes, StateError> {
        let split = |position: Position| (position.index, position.marker);
        let applied = self.applied.clone();
        let encoded = Encoded {
            group: self.group,
            position: applied.position.map(split),
            membership: applied.membership.map(|(at, members)| (split(at), members)),
            revision: self.revision,
            horizon: self.horizon,
            clock_ms: self.clock_ms,
        };
        codec::encode(&(encoded, self.lease_grants))
            .map_err(|error| StateError::Io(error.to_string()))
    }

    pub(super) fn decode(bytes: &[u8], format: u32) -> Result<Self, StateError> {
        let decoded: Result<(Encoded, u64), _> = match format {
            1 => codec::decode(bytes).map(|encoded| (encoded, 0)),
            _ => codec::decode(bytes),
        };
        let (encoded, lease_grants) =
            decoded.map_err(|error| StateError::Corrupt(format!("snapshot header: {error}")))?;
        let join = |(index, marker)| Position { index, marker };
        let applied = AppliedState {
            position: encoded.position.map(join),
            membership: encoded.membership.map(|(at, members)| (join(at), members)),
        };
        Ok(Self {
            group: encoded.group,
            applied,
            revision: encoded.revision,
            horizon: encoded.horizon,
            clock_ms: encoded.clock_ms,
            lease_grants,
        })
    }
}

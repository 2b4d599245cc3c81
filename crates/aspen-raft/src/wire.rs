//! The bytes of log positions, votes, memberships and entries, on disk and on the wire.
//!
//! These mirror openraft's types, so that a release of openraft that rearranges its own cannot
//! change what our disks hold. Encoded by [`aspen_core::codec`]; golden tests pin the bytes.

use std::collections::{BTreeMap, BTreeSet};

use aspen_core::codec::{self, CodecError};
use aspen_core::{LogIndex, NodeRecord};
use aspen_storage::{LogRecord, Position};
use bytes::Bytes;
use openraft::EntryPayload;
use serde::{Deserialize, Serialize};

use crate::types::{
    EncodedBatch, LeaderId, LogId, Member, Membership, Payload, RaftEntry, StoredMembership, Vote,
};

/// A place in the log: term, leader, index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireLogId(u64, u64, u64);

impl From<LogId> for WireLogId {
    fn from(id: LogId) -> Self {
        Self(id.leader_id.term, id.leader_id.node_id, id.index)
    }
}

impl From<WireLogId> for LogId {
    fn from(WireLogId(term, node_id, index): WireLogId) -> Self {
        Self { leader_id: LeaderId { term, node_id }, index }
    }
}

/// A vote: term, candidate, and whether a quorum granted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireVote(u64, u64, bool);

impl From<Vote> for WireVote {
    fn from(vote: Vote) -> Self {
        Self(vote.leader_id.term, vote.leader_id.node_id, vote.committed)
    }
}

impl From<WireVote> for Vote {
    fn from(WireVote(term, node_id, committed): WireVote) -> Self {
        Self { leader_id: LeaderId { term, node_id }, committed }
    }
}

/// A membership: the voter sets (two while a joint change is under way) and every member's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireMembership {
    voters: Vec<BTreeSet<u64>>,
    members: BTreeMap<u64, NodeRecord>,
}

impl From<&Membership> for WireMembership {
    fn from(membership: &Membership) -> Self {
        Self {
            voters: membership.get_joint_config().clone(),
            members: membership.nodes().map(|(id, member)| (*id, member.0.clone())).collect(),
        }
    }
}

impl TryFrom<WireMembership> for Membership {
    type Error = Malformed;

    fn try_from(wire: WireMembership) -> Result<Self, Malformed> {
        let members: BTreeMap<u64, Member> =
            wire.members.into_iter().map(|(id, record)| (id, Member(record))).collect();
        if wire.voters.is_empty() && members.is_empty() {
            return Ok(Self::default());
        }
        Self::new(wire.voters, members).map_err(|error| Malformed(error.to_string()))
    }
}

/// An entry. Its large part comes last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireEntry {
    term: u64,
    leader: u64,
    index: u64,
    payload: WirePayload,
}

/// What an entry carries. The order of the variants is part of the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum WirePayload {
    Blank,
    Batch(Bytes),
    Membership(WireMembership),
}

impl From<&RaftEntry> for WireEntry {
    fn from(entry: &RaftEntry) -> Self {
        let WireLogId(term, leader, index) = entry.log_id.into();
        let payload = match &entry.payload {
            EntryPayload::Blank => WirePayload::Blank,
            EntryPayload::Normal(batch) => WirePayload::Batch(batch.0.clone()),
            EntryPayload::Membership(membership) => WirePayload::Membership(membership.into()),
        };
        Self { term, leader, index, payload }
    }
}

impl TryFrom<WireEntry> for RaftEntry {
    type Error = Malformed;

    fn try_from(wire: WireEntry) -> Result<Self, Malformed> {
        let payload: Payload = match wire.payload {
            WirePayload::Blank => EntryPayload::Blank,
            WirePayload::Batch(bytes) => EntryPayload::Normal(EncodedBatch(bytes)),
            WirePayload::Membership(membership) => EntryPayload::Membership(membership.try_into()?),
        };
        Ok(Self { log_id: WireLogId(wire.term, wire.leader, wire.index).into(), payload })
    }
}

/// Bytes that do not say what they should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed: {0}")]
pub(crate) struct Malformed(pub(crate) String);

impl From<CodecError> for Malformed {
    fn from(error: CodecError) -> Self {
        Self(error.to_string())
    }
}

impl From<Malformed> for std::io::Error {
    fn from(error: Malformed) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// The bytes that an entry adds to a message or a log, within a few.
pub(crate) fn entry_len_bytes(entry: &RaftEntry) -> usize {
    const HEADER_BYTES: usize = 32;
    HEADER_BYTES
        + match &entry.payload {
            EntryPayload::Blank => 0,
            EntryPayload::Normal(batch) => batch.0.len(),
            EntryPayload::Membership(membership) => 256 * membership.nodes().count(),
        }
}

/// An entry as the log keeps it.
pub(crate) fn to_record(entry: &RaftEntry) -> Result<LogRecord, Malformed> {
    let payload = codec::encode(&WireEntry::from(entry))?;
    Ok(LogRecord { index: LogIndex::new(entry.log_id.index), payload })
}

/// An entry from the log; its index must be the one it was kept under.
pub(crate) fn from_record(record: &LogRecord) -> Result<RaftEntry, Malformed> {
    let wire: WireEntry = codec::decode(&record.payload)?;
    if wire.index != record.index.get() {
        let index = record.index;
        return Err(Malformed(format!("entry {} is stored at {index}", wire.index)));
    }
    wire.try_into()
}

/// A log id as the state machine and the log keep it beside a position.
pub(crate) fn to_position(id: LogId) -> Result<Position, Malformed> {
    Ok(Position { index: LogIndex::new(id.index), marker: encode_log_id(id)? })
}

/// The log id of a position.
pub(crate) fn from_position(position: &Position) -> Result<LogId, Malformed> {
    decode_log_id(&position.marker)
}

/// Encodes a log id.
pub(crate) fn encode_log_id(id: LogId) -> Result<Bytes, Malformed> {
    Ok(codec::encode(&WireLogId::from(id))?)
}

/// Decodes a log id.
pub(crate) fn decode_log_id(bytes: &[u8]) -> Result<LogId, Malformed> {
    Ok(codec::decode::<WireLogId>(bytes)?.into())
}

/// Encodes a membership.
pub(crate) fn encode_membership(membership: &Membership) -> Result<Bytes, Malformed> {
    Ok(codec::encode(&WireMembership::from(membership))?)
}

/// A state machine's record of the membership; the default when it has applied none.
pub(crate) fn stored_membership(
    applied: Option<&(Position, Bytes)>,
) -> Result<StoredMembership, Malformed> {
    let Some((position, bytes)) = applied else { return Ok(StoredMembership::default()) };
    let membership = codec::decode::<WireMembership>(bytes)?.try_into()?;
    Ok(StoredMembership::new(Some(from_position(position)?), membership))
}

#[cfg(test)]
mod tests;

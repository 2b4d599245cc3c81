//! Peer messages as the wire format has them: fields by position, variants by number.

use std::collections::{BTreeMap, BTreeSet};

use aspen_core::{NodeRecord, codec};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cluster::record;

pub(crate) const APPEND: u8 = 1;
pub(crate) const VOTE: u8 = 2;
pub(crate) const PRE_VOTE: u8 = 3;
pub(crate) const SNAPSHOT_BEGIN: u8 = 6;
pub(crate) const SNAPSHOT_CHUNK: u8 = 7;
pub(crate) const SNAPSHOT_FINISH: u8 = 8;

/// Term, leader, index.
pub(crate) type LogId = (u64, u64, u64);
/// Term, candidate, whether a quorum granted it.
pub(crate) type Vote = (u64, u64, bool);
/// The voter sets, and every member's record.
pub(crate) type Membership = (Vec<BTreeSet<u64>>, BTreeMap<u64, NodeRecord>);
/// Term, leader, index, content.
pub(crate) type Entry = (u64, u64, u64, Payload);
/// The leader's vote, the entry before, the leader's commit, the entries.
pub(crate) type Append = (Vote, Option<LogId>, Option<LogId>, Vec<Entry>);
/// The candidate's vote, its last entry, whether its leader wants it.
pub(crate) type Question = (Vote, Option<LogId>, bool);
/// The voter's own vote, whether it grants the other, its last entry.
pub(crate) type VoteReply = (Vote, bool, Option<LogId>);
/// The transfer, the leader's vote, what the file covers, its length.
pub(crate) type SnapshotBegin = (u64, Vote, (Option<LogId>, Option<LogId>, Membership), u64);
/// The transfer, where the bytes belong, the bytes.
pub(crate) type SnapshotChunk = (u64, u64, Bytes);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Payload {
    Blank,
    Batch(Bytes),
    Membership(Membership),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AppendReply {
    Success,
    Partial(Option<LogId>),
    Conflict,
    HigherVote(Vote),
}

pub(crate) fn encode<T: Serialize>(message: &T) -> Bytes {
    codec::encode(message).unwrap()
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> T {
    codec::decode(bytes).unwrap()
}

/// A membership of these voters and learners.
pub(crate) fn membership(voters: &[u64], learners: &[u64]) -> Membership {
    let members = voters.iter().chain(learners).map(|id| (*id, record(*id)));
    (vec![voters.iter().copied().collect()], members.collect())
}

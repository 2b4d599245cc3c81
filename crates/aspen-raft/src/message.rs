//! The messages between replicas of a group: kinds and contents.

use aspen_core::codec;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::types::{AppendRequest, AppendResponse, LogId, RaftEntry, SnapshotMeta, Vote};
use crate::wire::{Malformed, WireEntry, WireLogId, WireMembership, WireVote};

/// What a peer's message is. The numbers are the protocol: they are never reused, and a retired one
/// stays listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum MessageKind {
    /// [`AppendMessage`] → [`AppendReply`].
    Append = 1,
    /// [`VoteMessage`] → [`VoteReply`].
    Vote = 2,
    /// [`VoteMessage`] → [`VoteReply`], and nothing is promised.
    PreVote = 3,
    /// [`TransferMessage`] → [`TransferReply`].
    TransferLeader = 4,
    /// [`ReadIndexMessage`] → [`ReadIndexReply`].
    ReadIndex = 5,
    /// [`SnapshotBegin`] → nothing.
    SnapshotBegin = 6,
    /// [`SnapshotChunk`] → nothing.
    SnapshotChunk = 7,
    /// [`SnapshotFinish`] → [`WireVote`], the follower's.
    SnapshotFinish = 8,
}

impl TryFrom<u8> for MessageKind {
    type Error = Malformed;

    fn try_from(kind: u8) -> Result<Self, Malformed> {
        let known = [
            Self::Append,
            Self::Vote,
            Self::PreVote,
            Self::TransferLeader,
            Self::ReadIndex,
            Self::SnapshotBegin,
            Self::SnapshotChunk,
            Self::SnapshotFinish,
        ];
        let found = known.into_iter().find(|known| *known as u8 == kind);
        found.ok_or_else(|| Malformed(format!("unknown message kind {kind}")))
    }
}

/// Entries, or none as a heartbeat.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AppendMessage {
    vote: WireVote,
    previous: Option<WireLogId>,
    committed: Option<WireLogId>,
    entries: Vec<WireEntry>,
}

impl From<&AppendRequest> for AppendMessage {
    fn from(request: &AppendRequest) -> Self {
        Self {
            vote: request.vote.into(),
            previous: request.prev_log_id.map(WireLogId::from),
            committed: request.leader_commit.map(WireLogId::from),
            entries: request.entries.iter().map(WireEntry::from).collect(),
        }
    }
}

impl TryFrom<AppendMessage> for AppendRequest {
    type Error = Malformed;

    fn try_from(message: AppendMessage) -> Result<Self, Malformed> {
        let entries: Result<Vec<RaftEntry>, Malformed> =
            message.entries.into_iter().map(RaftEntry::try_from).collect();
        Ok(Self {
            vote: message.vote.into(),
            prev_log_id: message.previous.map(LogId::from),
            leader_commit: message.committed.map(LogId::from),
            entries: entries?,
        })
    }
}

/// What became of an append.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum AppendReply {
    /// All entries are on the follower.
    Success,
    /// Entries up to this one are.
    Partial(Option<WireLogId>),
    /// The follower lacks the entry before them.
    Conflict,
    /// The follower knows a later leader or candidate.
    HigherVote(WireVote),
}

impl From<AppendResponse> for AppendReply {
    fn from(response: AppendResponse) -> Self {
        match response {
            AppendResponse::Success => Self::Success,
            AppendResponse::PartialSuccess(upto) => Self::Partial(upto.map(WireLogId::from)),
            AppendResponse::Conflict => Self::Conflict,
            AppendResponse::HigherVote(vote) => Self::HigherVote(vote.into()),
        }
    }
}

impl From<AppendReply> for AppendResponse {
    fn from(reply: AppendReply) -> Self {
        match reply {
            AppendReply::Success => Self::Success,
            AppendReply::Partial(upto) => Self::PartialSuccess(upto.map(LogId::from)),
            AppendReply::Conflict => Self::Conflict,
            AppendReply::HigherVote(vote) => Self::HigherVote(vote.into()),
        }
    }
}

/// A candidate's request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VoteMessage {
    pub(crate) vote: WireVote,
    pub(crate) last_log: Option<WireLogId>,
    pub(crate) leadership_transfer: bool,
}

/// A voter's answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VoteReply {
    pub(crate) vote: WireVote,
    pub(crate) granted: bool,
    pub(crate) last_log: Option<WireLogId>,
}

/// A leader's wish that the receiver take over.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TransferMessage {
    pub(crate) from: WireVote,
    pub(crate) to: u64,
    pub(crate) last_log: Option<WireLogId>,
}

/// Whether the receiver of a [`TransferMessage`] campaigns.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum TransferReply {
    /// It does.
    Accepted,
    /// It follows another vote than the sender's.
    VoteChanged(WireVote),
    /// It lacks entries; the last one it has.
    Behind(Option<WireLogId>),
}

/// A follower's question for the index that a linearizable read must wait for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReadIndexMessage {
    /// Whether the leader's lease suffices.
    pub(crate) lease: bool,
}

/// The answer to a [`ReadIndexMessage`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ReadIndexReply {
    /// Apply up to this index, then read.
    Index(u64),
    /// The asked node does not lead; the leader that it knows.
    NotLeader(Option<u64>),
    /// The asked node leads but no quorum confirms it.
    NoQuorum(String),
}

/// What a snapshot covers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireSnapshotMeta {
    last_log: Option<WireLogId>,
    membership_log: Option<WireLogId>,
    membership: WireMembership,
}

impl From<&SnapshotMeta> for WireSnapshotMeta {
    fn from(meta: &SnapshotMeta) -> Self {
        Self {
            last_log: meta.last_log_id.map(WireLogId::from),
            membership_log: meta.last_membership.log_id().map(WireLogId::from),
            membership: meta.last_membership.membership().into(),
        }
    }
}

impl TryFrom<WireSnapshotMeta> for SnapshotMeta {
    type Error = Malformed;

    fn try_from(wire: WireSnapshotMeta) -> Result<Self, Malformed> {
        let log_id = wire.membership_log.map(LogId::from);
        let membership = wire.membership.try_into()?;
        Ok(Self {
            last_log_id: wire.last_log.map(LogId::from),
            last_membership: crate::types::StoredMembership::new(log_id, membership),
        })
    }
}

/// Opens a snapshot transfer; a transfer under way to the same group is discarded.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotBegin {
    /// Names the transfer, at random.
    pub(crate) transfer: u64,
    pub(crate) vote: WireVote,
    pub(crate) meta: WireSnapshotMeta,
    /// The file's length in bytes.
    pub(crate) len_bytes: u64,
}

/// A piece of the file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotChunk {
    pub(crate) transfer: u64,
    /// Where the piece belongs; pieces come in order.
    pub(crate) offset: u64,
    pub(crate) bytes: Bytes,
}

/// Closes a transfer: verify the file and install it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotFinish {
    pub(crate) transfer: u64,
}

/// Encodes a message or an answer.
pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Bytes, Malformed> {
    Ok(codec::encode(message)?)
}

/// Decodes a message or an answer.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    Ok(codec::decode(bytes)?)
}

/// A vote as messages carry it.
pub(crate) fn vote_of(wire: WireVote) -> Vote {
    wire.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::types::{EncodedBatch, LeaderId};

    fn log_id(index: u64) -> LogId {
        LogId { leader_id: LeaderId { term: 2, node_id: 1 }, index }
    }

    #[test]
    fn kinds_keep_their_numbers() {
        let kinds: Vec<u8> =
            (0..=255).filter(|kind| MessageKind::try_from(*kind).is_ok()).collect();
        assert_eq!(kinds, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(MessageKind::try_from(1).unwrap(), MessageKind::Append);
        assert_eq!(MessageKind::try_from(5).unwrap(), MessageKind::ReadIndex);
        assert_eq!(MessageKind::try_from(8).unwrap(), MessageKind::SnapshotFinish);
    }

    #[test]
    fn an_append_keeps_its_bytes_and_comes_back() {
        let payload = openraft::EntryPayload::Normal(EncodedBatch(Bytes::from_static(b"ab")));
        let request = AppendRequest {
            vote: Vote { leader_id: LeaderId { term: 2, node_id: 1 }, committed: true },
            prev_log_id: Some(log_id(6)),
            entries: vec![RaftEntry { log_id: log_id(7), payload }],
            leader_commit: None,
        };
        let bytes = encode(&AppendMessage::from(&request)).unwrap();
        let golden = [2, 1, 1, 1, 2, 1, 6, 0, 1, 2, 1, 7, 1, 2, b'a', b'b'];
        assert_eq!(bytes.as_ref(), golden);
        let back: AppendRequest = decode::<AppendMessage>(&bytes).unwrap().try_into().unwrap();
        assert_eq!(back.entries, request.entries);
        assert_eq!((back.vote, back.prev_log_id), (request.vote, request.prev_log_id));
    }
}

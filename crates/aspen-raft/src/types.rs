//! What openraft is made of here: the concrete types behind its parameters.

use std::fmt;

use aspen_core::{EndpointKey, NodeId, NodeRecord, Reply};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::runtime::Runtime;
use crate::state_adapter::StateAdapter;

/// An encoded [`aspen_core::ProposalBatch`]. It is encoded once, by the leader, and stays bytes in
/// the log, on the wire and up to `apply`, so a clone costs a reference count.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EncodedBatch(pub(crate) Bytes);

impl fmt::Debug for EncodedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodedBatch({} bytes)", self.0.len())
    }
}

impl fmt::Display for EncodedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The replies to one batch, in the order of its proposals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replies(pub(crate) Vec<Reply>);

/// A member of a group as its membership entries record it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member(pub(crate) NodeRecord);

impl Default for Member {
    fn default() -> Self {
        let endpoint = EndpointKey::new([0; 32]);
        Self(NodeRecord { id: NodeId::default(), endpoint, addresses: Vec::new() })
    }
}

pub(crate) type LeaderId = openraft::impls::leader_id_adv::LeaderId<u64, u64>;

/// The configuration of openraft's types.
///
/// `declare_raft_types!` would choose a responder that reports progress; a proposal has one answer,
/// so this implements the trait by hand to take the one-shot responder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TypeConfig;

impl openraft::RaftTypeConfig for TypeConfig {
    type D = EncodedBatch;
    type R = Replies;
    type NodeId = u64;
    type Node = Member;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = openraft::impls::Vote<LeaderId>;
    type Payload = openraft::EntryPayload<EncodedBatch, u64, Member>;
    type Entry = openraft::Entry<LeaderId, Self::Payload>;
    type Responder<T>
        = openraft::impls::OneshotResponder<Self, T>
    where
        T: openraft::OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: openraft::OptionalSend + 'static;
    type AsyncRuntime = Runtime;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

pub(crate) type Raft = openraft::Raft<TypeConfig, StateAdapter>;
pub(crate) type LogId = openraft::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::alias::VoteOf<TypeConfig>;
pub(crate) type Payload = openraft::alias::PayloadOf<TypeConfig>;
pub(crate) type RaftEntry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, Member>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Snapshot =
    openraft::alias::SnapshotOf<TypeConfig, crate::snapshot_data::SnapshotData>;
pub(crate) type AppendRequest = openraft::raft::AppendEntriesRequest<TypeConfig>;
pub(crate) type AppendResponse = openraft::raft::AppendEntriesResponse<TypeConfig>;

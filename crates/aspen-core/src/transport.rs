//! How the replicas of a group reach each other, whatever carries the bytes.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{GroupId, NodeId};

/// The largest message between processes, in bytes. Every batch and chunk is cut to stay below it.
pub const MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Which connection carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Lane {
    /// Heartbeats, votes and log entries: small and urgent.
    Consensus,
    /// Snapshots and other bulk, on a connection of its own: on a shared one it would delay
    /// heartbeats by tens of milliseconds.
    Bulk,
}

/// A message from one replica of a group to another; the payload's meaning belongs to its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRequest {
    /// The group.
    pub group: GroupId,
    /// What the payload is; numbers are assigned by the crate that encodes the payload.
    pub kind: u8,
    /// The encoded message, below [`MESSAGE_BYTES_MAX`].
    pub payload: Bytes,
}

/// A message that got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The peer cannot be reached now; it did not get the message.
    #[error("node {node} is unreachable: {detail}")]
    Unreachable {
        /// The peer.
        node: NodeId,
        /// Why, in words.
        detail: String,
    },
    /// No answer in time; the peer may have got the message.
    #[error("node {node} did not answer within {timeout_ms} ms")]
    Timeout {
        /// The peer.
        node: NodeId,
        /// The deadline that passed.
        timeout_ms: u64,
    },
    /// The peer got the message and refused it.
    #[error("node {node} refused: {rejection}")]
    Rejected {
        /// The peer.
        node: NodeId,
        /// Why.
        rejection: PeerRejection,
    },
    /// The message exceeds [`MESSAGE_BYTES_MAX`].
    #[error(
        "message of {len} bytes exceeds the limit of {MESSAGE_BYTES_MAX} bytes (MESSAGE_BYTES_MAX)"
    )]
    TooLarge {
        /// Its length in bytes.
        len: usize,
    },
}

/// Why a node refused a peer's message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum PeerRejection {
    /// It holds no replica of the group.
    #[error("no replica of {0} here")]
    NoSuchGroup(GroupId),
    /// The payload does not decode, or its kind is unknown.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// The sender is no member.
    #[error("not a member: {0}")]
    NotMember(String),
    /// The replica cannot answer: it is starting, stopping or has failed.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// Sends messages to peers.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends one message and waits for its answer, at most `timeout`.
    ///
    /// # Errors
    /// See [`TransportError`].
    async fn call(
        &self,
        target: NodeId,
        lane: Lane,
        request: PeerRequest,
        timeout: Duration,
    ) -> Result<Bytes, TransportError>;
}

/// Answers messages from peers.
#[async_trait]
pub trait PeerHandler: Send + Sync + 'static {
    /// Handles one message. `from` is authenticated by the transport.
    ///
    /// # Errors
    /// See [`PeerRejection`].
    async fn handle(&self, from: NodeId, request: PeerRequest) -> Result<Bytes, PeerRejection>;
}

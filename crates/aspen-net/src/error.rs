//! What can go wrong between processes.

use std::io;

use aspen_core::{ErrorKind, MESSAGE_BYTES_MAX};

/// A call that got no answer from a node's request handler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The request was surely not sent: it may be sent again, here or elsewhere.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The connection ended first: the request may have been handled.
    #[error("connection lost: {0}")]
    Lost(String),
    /// No answer in time: the request may have been handled, or may still be.
    #[error("no answer in time")]
    Timeout,
    /// The node does not accept the credential; trying again changes nothing.
    #[error("denied: {0}")]
    Denied(String),
    /// The request exceeds [`MESSAGE_BYTES_MAX`]; it was not sent.
    #[error(
        "request of {len} bytes exceeds the limit of {MESSAGE_BYTES_MAX} bytes (MESSAGE_BYTES_MAX)"
    )]
    TooLarge {
        /// An upper bound of its encoded length in bytes.
        len: usize,
    },
}

impl CallError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable(_) | Self::Lost(_) | Self::Timeout => ErrorKind::Retry,
            Self::Denied(_) => ErrorKind::Denied,
            Self::TooLarge { .. } => ErrorKind::Invalid,
        }
    }

    /// Whether the request may have been handled all the same.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Timeout)
    }
}

/// A join that got no answer from a member. Joining is idempotent: it may be tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The member cannot be reached now.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The member's cookie is another one, or the peer is no member at all.
    #[error(
        "the cookie does not match: the node asked knows another one; start this node with the \
         cookie that the cluster was created with, and check that the ticket is of that cluster"
    )]
    CookieMismatch,
    /// The member has no room for another join now.
    #[error("busy: {0}")]
    Busy(String),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The peer does not speak the protocol, or the connection ended.
    #[error("join failed: {0}")]
    Failed(String),
}

impl JoinError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::CookieMismatch => ErrorKind::Denied,
            _ => ErrorKind::Retry,
        }
    }
}

impl From<io::Error> for JoinError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

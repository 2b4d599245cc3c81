//! Why a client could not be made.

use aspen_core::{ErrorKind, InvalidRequest};

/// [`crate::Client::connect`] failed; nothing was sent to the cluster.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The ticket's text is damaged, cut off, or of another kind.
    #[error("invalid ticket: {0}")]
    Ticket(String),
    /// The ticket names no node to speak to.
    #[error("the ticket names no peers; ask a running node for a new one (`aspen ticket`)")]
    NoPeers,
    /// An option is out of its range.
    #[error("invalid client options: {0}")]
    Options(#[from] InvalidRequest),
    /// The local endpoint could not be opened.
    #[error("cannot open a network endpoint: {0}")]
    Bind(String),
}

impl ConnectError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Ticket(_) | Self::NoPeers | Self::Options(_) => ErrorKind::Invalid,
            Self::Bind(_) => ErrorKind::Unavailable,
        }
    }
}

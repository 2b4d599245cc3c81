//! What can go wrong before anything is sent.

use std::net::SocketAddr;

use crate::InvalidNetOptions;

/// An endpoint that could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] InvalidNetOptions),
    /// The operating system refused the socket.
    #[error("cannot listen on {listen}: {detail}")]
    Socket {
        /// The address asked for.
        listen: SocketAddr,
        /// Why, in words.
        detail: String,
    },
}

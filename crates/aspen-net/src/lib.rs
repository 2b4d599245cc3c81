//! Moves bounded, authenticated requests between processes.
//!
//! * Every process has one QUIC endpoint, known by its Ed25519 key ([`SecretKey`]); addresses are
//!   only hints where to find a key ([`PeerAddress`]).
//! * A node's endpoint is a [`NodeNet`]. Members of the cluster talk over two connections per
//!   direction, one for consensus and one for bulk, which it offers as
//!   [`aspen_core::Transport`]. An unknown key is refused at the end of the handshake, before any
//!   stream is accepted.
//! * A process becomes a node by proving, bound to the channel, that it knows the cluster's
//!   [`Cookie`]; the cookie itself never travels.
//! * A client's endpoint is a [`ClientNet`], opened from a [`Ticket`]. Its [`Grant`] proves its
//!   [`aspen_core::Rights`], again bound to the channel. Concurrent calls to one node share
//!   batches, in lanes that do not wait for each other.
//!
//! Architecture invariant: no type of the libraries below (iroh, irpc) is part of the public
//! interface, and this crate knows nothing of Raft or of storage.

mod address;
mod cookie;
mod error;
mod grant;
mod metrics;
mod reach;
mod ticket;

pub use address::{ADDRESSES_PER_PEER_MAX, PeerAddress};
pub use cookie::{Cookie, InvalidCookie};
pub use error::{CallError, JoinError};
pub use grant::{ClusterUnknown, Grant};
pub use metrics::{NetMetrics, PeerMetrics};
pub use reach::Reach;
pub use ticket::{TICKET_PEERS_MAX, Ticket, TicketError};

// Everything below needs sockets. A simulation has a network of its own and leaves it out.
#[cfg(not(madsim))]
mod batch;
#[cfg(not(madsim))]
mod bind_error;
#[cfg(not(madsim))]
mod channel_proof;
#[cfg(not(madsim))]
mod client_net;
#[cfg(not(madsim))]
mod close;
#[cfg(not(madsim))]
mod connections;
#[cfg(not(madsim))]
mod deadline;
#[cfg(not(madsim))]
mod dial;
#[cfg(not(madsim))]
mod endpoint;
#[cfg(not(madsim))]
mod frame;
#[cfg(not(madsim))]
mod gate;
#[cfg(not(madsim))]
mod hello;
#[cfg(not(madsim))]
mod join;
#[cfg(not(madsim))]
mod lane;
#[cfg(not(madsim))]
mod members;
#[cfg(not(madsim))]
mod node_net;
#[cfg(not(madsim))]
mod options;
#[cfg(not(madsim))]
mod peer_transport;
#[cfg(not(madsim))]
mod protocol;
#[cfg(not(madsim))]
mod secret_key;
#[cfg(not(madsim))]
mod serve;
#[cfg(not(madsim))]
mod size;
#[cfg(not(madsim))]
mod slot;
#[cfg(not(madsim))]
mod streams;

#[cfg(not(madsim))]
pub use batch::{BATCH_BYTES_MAX, BATCH_REQUESTS_MAX, BATCHES_IN_FLIGHT_MAX, QUEUE_REQUESTS_MAX};
#[cfg(not(madsim))]
pub use bind_error::BindError;
#[cfg(not(madsim))]
pub use client_net::ClientNet;
#[cfg(not(madsim))]
pub use node_net::NodeNet;
#[cfg(not(madsim))]
pub use options::{ClientNetOptions, InvalidNetOptions, NetTimings, NodeNetOptions};
#[cfg(not(madsim))]
pub use secret_key::{SecretKey, SecretKeyError};

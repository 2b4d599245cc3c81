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
mod batch;
mod client_net;
mod close;
mod connections;
mod cookie;
mod deadline;
mod dial;
mod endpoint;
mod error;
mod frame;
mod gate;
mod grant;
mod hello;
mod join;
mod lane;
mod members;
mod metrics;
mod node_net;
mod options;
mod peer_transport;
mod protocol;
mod secret_key;
mod serve;
mod size;
mod slot;
mod streams;
mod ticket;

pub use address::{ADDRESSES_PER_PEER_MAX, PeerAddress};
pub use batch::{BATCH_BYTES_MAX, BATCH_REQUESTS_MAX, BATCHES_IN_FLIGHT_MAX, QUEUE_REQUESTS_MAX};
pub use client_net::ClientNet;
pub use cookie::{Cookie, InvalidCookie};
pub use error::{BindError, CallError, JoinError};
pub use grant::{ClusterUnknown, Grant};
pub use metrics::{NetMetrics, PeerMetrics};
pub use node_net::NodeNet;
pub use options::{ClientNetOptions, InvalidNetOptions, NetTimings, NodeNetOptions, Reach};
pub use secret_key::{SecretKey, SecretKeyError};
pub use ticket::{TICKET_PEERS_MAX, Ticket, TicketError};

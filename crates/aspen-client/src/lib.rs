//! The remote store: a ticket in, [`aspen_core::KeyValueStore`] out.
//!
//! A [`Client`] speaks to any node of a cluster, finds the leader of a key's group and follows it
//! when it changes. What it promises:
//!
//! * **Writes happen once.** Every write carries a session stamp; a retry after a lost answer
//!   repeats the stamp, so the group answers with the first result instead of applying it again.
//! * **Errors say what is known.** A write that failed tells whether it may have happened
//!   ([`aspen_core::Applied`]); a read that failed has no effect, whatever the error.
//! * **Every request has a deadline** ([`ClientOptions::request_timeout_ms`]); until then, whatever
//!   can be cured by another attempt or another node is retried, with growing, jittered pauses.
//!   Only a cluster that answers that it cannot serve (no quorum, disk full) is reported sooner.
//! * **Any minority of nodes may be lost**, and every node of the ticket too once others were
//!   learned: the client keeps the cluster's node list up to date in the background.
//!
//! ```no_run
//! use aspen_client::Client;
//! use aspen_core::{Key, KeyValueStore, Value};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(&std::env::var("ASPEN_TICKET")?).await?;
//! client.set(Key::try_from("greeting")?, Value::try_from("hello")?).await?;
//! let found = client.get(Key::try_from("greeting")?).await?;
//! assert_eq!(found.map(|entry| entry.value), Some(Value::try_from("hello")?));
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! A client also has leases ([`aspen_core::Leases`]); a [`LeaseGuard`] holds one in the background
//! and tells when it is lost. It answers read-only SQL ([`aspen_core::SqlQuery`]).
//!
//! The bytes travel through a [`Channel`]; [`Client::connect`] opens one over the network, tests
//! and the simulator pass their own to [`Client::over`].
//!
//! Architecture invariant: this crate never reads a clock, a random source or a socket itself; the
//! first two come from [`aspen_core::runtime`], the last from `aspen-net`.
#![allow(
    clippy::result_large_err,
    reason = "a failed write is rare and its error is handed on, not kept"
)]

mod attempts;
mod backoff;
mod channel;
mod client;
mod compaction;
mod control;
mod deadline;
mod error;
mod lease;
mod options;
mod propose;
mod read;
mod refresh;
mod routes;
mod session;
mod shared;
mod sql;
mod watching;
mod write;

pub use aspen_core::LeaseGuard;
pub use aspen_txn as txn;

pub use aspen_net::{CallError, Grant, PeerAddress, Reach, Ticket};
pub use channel::Channel;
pub use client::Client;
pub use error::ConnectError;
pub use options::ClientOptions;

#[cfg(test)]
mod tests;

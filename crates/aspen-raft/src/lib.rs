//! Makes the nodes of a group agree on one log and apply it, and hosts many groups per node.
//!
//! * A [`RaftHost`] holds this node's replica of every group it belongs to ([`Group`]). It answers
//!   peers (as [`aspen_core::PeerHandler`]) and operators (as [`aspen_core::ClusterController`]).
//! * **Writes** ([`Group::propose`]) that wait together become one log entry. The entry is bytes
//!   from there on: encoded once by the leader, kept in the log, sent to followers, applied.
//! * **Reads** ([`Group::read`], [`Group::scan`]) wait until this replica has applied what the
//!   leader had committed when a quorum confirmed it; waiting reads share that confirmation.
//! * **Leases** ([`Group::lease`]) end by the leader's clock, and by a committed command; a new
//!   leader gives each its whole time anew, so that none ends early.
//! * **Appends return when they are durable.** What followers acknowledge survives a crash, and
//!   `apply` never outruns the log.
//! * **Snapshots are promises.** The log is purged as soon as the state machine's own durable state
//!   covers it; a file is built only when a follower lags behind the log, or an operator asks.
//! * **A restarted replica is silent** for one lease: it neither votes nor campaigns, so that no
//!   leader is replaced while it still trusts its lease.
//!
//! Architecture invariants: no type of the consensus library appears in this crate's interface;
//! this crate moves bytes only through [`aspen_core::Transport`] and keeps them only through
//! [`aspen_storage::GroupLog`] and [`aspen_storage::StateMachine`].

#![allow(
    clippy::result_large_err,
    reason = "errors name the leader and its address; they are rare"
)]

mod error;
mod group;
mod host;
mod options;

mod append_stream;
mod applied_index;
mod batcher;
mod coherence;
mod confirmed;
mod control;
mod durability;
mod entry_cache;
mod in_flight;
mod joint;
mod lease_deadlines;
mod lease_expiry;
mod leases;
mod log_adapter;
mod maintenance;
mod membership_change;
mod message;
mod metrics;
mod network;
mod opening;
mod peer_requests;
#[cfg(madsim)]
mod planted;
mod proposer;
mod purge;
mod read_rounds;
mod reader;
mod replica;
mod runtime;
mod silence;
mod snapshot_data;
mod snapshot_receiver;
mod snapshot_sender;
mod state_adapter;
mod types;
mod wire;

#[cfg(test)]
mod conformance;

pub use error::OpenError;
pub use group::Group;
pub use host::RaftHost;
pub use options::{InvalidOptions, RaftOptions};

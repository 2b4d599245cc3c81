//! A node of an Aspen cluster: log, state, consensus and network composed into one process.
//!
//! * [`NodeBuilder`] starts a [`Node`] inside any program; the `aspen-node` program is a thin shell
//!   around [`Config`] and [`Node::start`].
//! * A node owns a data directory. `identity.json` says which node of which cluster it is; a lock
//!   keeps a second process out; everything else there is the log, the groups' state, and files
//!   that only save time.
//! * Nodes are registered in the meta group. The registry is a wish: which nodes exist and which of
//!   them vote. The leader of each group turns the wish into membership, one step at a time, so
//!   that a crash in between leaves nothing half done.
//! * [`Node::store`] is the cluster's store in process. Remote clients reach the same requests
//!   through the node's service, which merges what arrives together into one round of consensus.
//!
//! Architecture invariant: this is the only crate that knows storage, consensus and network at
//! once; it moves no bytes and decides no semantics itself.
#![allow(
    clippy::result_large_err,
    reason = "a failed write is rare and its error is handed on, not kept"
)]

pub mod compose;

mod core;
mod directory;
mod disk_guard;
mod embedded;
mod join;
mod membership;
mod registry;
mod service;
mod tasks;

pub use join::JoinFailure;

// Everything below is about processes, files and sockets, which a simulation replaces.
#[cfg(not(madsim))]
mod builder;
#[cfg(not(madsim))]
mod check;
#[cfg(not(madsim))]
mod config;
#[cfg(not(madsim))]
mod data_dir;
#[cfg(not(madsim))]
mod error;
#[cfg(not(madsim))]
mod node;
#[cfg(not(madsim))]
mod ops;
#[cfg(not(madsim))]
mod start;
#[cfg(not(madsim))]
mod telemetry;
mod watches;

#[cfg(not(madsim))]
pub use builder::NodeBuilder;
#[cfg(not(madsim))]
pub use check::{Findings, check_dir};
#[cfg(not(madsim))]
pub use config::{
    Config, ConfigError, Layers, LogFormat, ReachSetting, SecretText, Setting, settings,
};
#[cfg(not(madsim))]
pub use data_dir::DataDirError;
#[cfg(not(madsim))]
pub use error::StartError;
#[cfg(not(madsim))]
pub use node::Node;
#[cfg(not(madsim))]
pub use telemetry::start_logging;

//! Nodes as wholes: real directories, real connections, and the real program.
#![cfg(not(madsim))]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "process/cluster.rs"]
mod cluster;
#[path = "process/membership.rs"]
mod membership;
#[path = "process/program.rs"]
mod program;
#[path = "process/refusals.rs"]
mod refusals;
#[path = "process/serving.rs"]
mod serving;

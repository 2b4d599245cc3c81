//! A cluster of real processes for tests: nodes are started, killed with -9 and restarted; clients
//! speak to them over real QUIC on loopback.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes on real time")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its set-up fails")]

mod cluster;
mod programs;

pub use cluster::{NodeProcess, ProcessCluster};
pub use programs::program;

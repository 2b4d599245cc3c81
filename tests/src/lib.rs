//! What tests the whole of Aspen.
//!
//! * [`workload`]: what clients do, and how to tell that the store did it right; [`history`]: what
//!   they did and saw; [`check`]: whether a correct store could have answered so. None of it knows
//!   what it runs on.
//! * `sim`, only with `--cfg madsim`: a whole cluster in one thread, on a network, disks and clocks
//!   that fail as the seed says; the `aspen-sim` program runs it.
//! * [`ProcessCluster`], only without: nodes as real processes over real QUIC on loopback, started,
//!   killed with -9 and restarted.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes on real time")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its set-up fails")]

pub mod check;
pub mod history;
pub mod workload;

#[cfg(madsim)]
pub mod sim;

#[cfg(not(madsim))]
mod cluster;
#[cfg(not(madsim))]
mod programs;

#[cfg(not(madsim))]
pub use cluster::{NodeProcess, ProcessCluster};
#[cfg(not(madsim))]
pub use programs::program;

//! Groups of simulated nodes: elections, crashes and restarts, the same for the same seed.
//!
//! Built with `RUSTFLAGS="--cfg madsim"`; empty otherwise.
#![cfg(madsim)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod cluster;
mod disk;
mod network;
mod storm;
mod trace;

mod clocks;
mod hazards;
mod planted;
mod seeds;
mod silence;

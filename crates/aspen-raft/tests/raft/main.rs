//! Groups of nodes over an in-memory network, through the public interface only.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod cluster;
mod network;

mod basics;
mod failover;
mod faults;
mod membership;
mod restart;

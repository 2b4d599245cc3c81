//! Real processes over real QUIC.
//!
//! Every test has a cluster of its own, injects faults while clients work, and judges what the
//! clients saw by the invariants of `aspen_tests::workload`. Waiting is for events, within a bound.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes on real time")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod isolation;
mod load;
mod only_node;
mod operator;
mod probe;

mod disk_full;
mod import_export;
mod kill_nodes;
mod leader_killed;
mod links;
mod membership;
mod paused_leader;
mod soak;
mod sql;
mod two_followers;
mod whole_cluster;

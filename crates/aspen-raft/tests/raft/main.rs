//! Groups of nodes over an in-memory network, through the public interface only.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod cluster;
mod network;
mod replica;
mod wire;

mod appends;
mod basics;
mod failover;
mod faults;
mod full_disk;
mod joint;
mod leases;
mod load;
mod membership;
mod partitions;
mod pins;
mod replication;
mod restart;
mod snapshot_streams;
mod snapshots;
mod votes;

//! Nodes put together from parts: no sockets, no files but snapshots.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "compose/cluster.rs"]
mod cluster;
#[path = "compose/disk.rs"]
mod disk;
#[path = "compose/joining.rs"]
mod joining;
#[path = "compose/memory_net.rs"]
mod memory_net;
#[path = "compose/watching.rs"]
mod watching;

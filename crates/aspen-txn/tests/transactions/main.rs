//! Transactions over the reference store, as their users see them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod builder;
mod concurrent_reads;
mod conflicts;
mod guide;
mod limits;
mod model;
mod ranges;
mod retries;
mod serializability;
mod shards;
mod snapshots;
mod stamps;
mod support;

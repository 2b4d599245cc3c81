//! Hostile bytes on every protocol of a node, from strangers, clients and members, and in tickets.
#![cfg(not(madsim))]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "net/support.rs"]
#[allow(dead_code)]
mod support;

#[path = "decoders/frames.rs"]
mod frames;
#[path = "../../../tests/tests/decoders/heap.rs"]
mod heap;
#[path = "../../../tests/tests/decoders/hostile.rs"]
mod hostile;
#[path = "decoders/tickets.rs"]
mod tickets;

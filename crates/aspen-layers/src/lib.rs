//! What is built on transactions: data models and recipes that know no network, no disk and no
//! consensus, only keys.
//!
//! * [`tuple`](mod@tuple): tuples as keys that sort as the tuples do, byte for byte FoundationDB's;
//! * [`subspace`]: prefixes under which tuples are kept;
//! * [`directory`]: paths, each with a short prefix of keys, moved and listed without touching it;
//! * [`coordination`]: locks with fencing tokens, elections, barriers, semaphores, counters,
//!   sequences, queues and rate limiters.
//!
//! Everything here works over every store alike: [`aspen_core::MemoryStore`], a node in this
//! process, a remote cluster.
//!
//! Architecture invariant: this crate depends on `aspen-core` and `aspen-txn` only and reaches keys
//! through their traits; what it keeps in memory is lost without harm.
#![allow(
    clippy::result_large_err,
    reason = "a failure is rare and its error is handed on, not kept"
)]

/// The guide of tuples, subspaces and directories, whose examples are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/layers.md")]
struct Guide;

pub mod coordination;
pub mod directory;
pub mod subspace;
pub mod tuple;

//! `aspen bench …`

use aspen_core::VALUE_BYTES_MAX;
use clap::{Args, ValueEnum};

/// `bench`
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchArgs {
    /// What the clients do.
    #[arg(long, value_enum)]
    pub(crate) workload: Workload,
    /// How many clients, each with one request in flight.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) clients: u32,
    /// How long to measure, after one second of warming up.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// How many keys; loaded before when they are missing.
    #[arg(long, default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) keys: u64,
    /// How long each value is.
    #[arg(long, default_value_t = 256)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=VALUE_BYTES_MAX as i64))]
    pub(crate) value_bytes: u32,
    /// How many connections the clients share. More spreads work over threads; fewer fill larger
    /// batches.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) connections: u32,
    /// How many watches of all the keys are open meanwhile; each is told of every change.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) watches: u32,
    /// How many watches of keys that nobody changes are open meanwhile.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) idle_watches: u32,
    /// The number of nodes to report; asked of the cluster unless given.
    #[arg(long)]
    pub(crate) nodes: Option<u32>,
}

/// What one client of a benchmark does over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// Set a random key.
    Put,
    /// Read a random key, linearizably.
    GetLinearizable,
    /// Read a random key from any node.
    GetStale,
    /// Scan exactly 100 keys, linearizably.
    #[value(name = "scan-100")]
    Scan100,
    /// Read a random key and set it if it has not changed.
    Cas,
    /// The same by a transaction of `aspen-txn`.
    #[value(name = "txn-1r1w")]
    Txn1r1w,
    /// Read ten random keys and set ten others, in one transaction.
    #[value(name = "txn-10r10w")]
    Txn10r10w,
    /// 80 % linearizable reads, 20 % puts.
    Mixed,
    /// Set a key of one's own and wait until a watch of it tells.
    Watch,
    /// Only load the keys.
    Load,
}

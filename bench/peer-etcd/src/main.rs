//! Measures etcd with the workloads and the output of `aspen bench`.
//!
//! Closed loop: each client sends its next request when the last one is answered. Every choice
//! that is open is made in etcd's favour: exact range bounds in scans, no TLS, connections spread
//! over all members.
#![allow(clippy::disallowed_methods, reason = "a load generator reads the clock")]

mod connections;
mod drive;
mod keys;
mod load;
mod probe;
mod row;
mod watched;
mod workload;

use clap::Parser;
use keys::Keys;
use std::error::Error;
use std::time::Duration;
use workload::Workload;

/// Drives an etcd cluster and prints one JSON object per row.
#[derive(Parser)]
struct Arguments {
    /// The members' client addresses, separated by commas.
    #[arg(long, value_delimiter = ',', required = true)]
    endpoints: Vec<String>,
    /// What to do: `load` writes every key once, `probe` waits for one linearizable answer.
    #[arg(long)]
    workload: Task,
    /// How many requests are under way at any time.
    #[arg(long, default_value_t = 1)]
    clients: usize,
    /// How many members there are; only copied into the output.
    #[arg(long, default_value_t = 1)]
    nodes: u64,
    /// How long to measure.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many keys there are.
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// The size of every value, in bytes.
    #[arg(long, default_value_t = 256)]
    value_bytes: usize,
}

#[derive(Clone, Copy)]
enum Task {
    Load,
    Probe,
    Measure(Workload),
}

impl std::str::FromStr for Task {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "load" => Ok(Self::Load),
            "probe" => Ok(Self::Probe),
            name => name.parse().map(Self::Measure),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let keys = Keys::new(arguments.keys, arguments.value_bytes);
    match arguments.workload {
        Task::Probe => probe::probe(&arguments.endpoints, &keys).await?,
        Task::Load => {
            let clients = connections::open(&arguments.endpoints, load::WRITERS).await?;
            let clients: Vec<_> = clients.iter().map(|client| client.kv_client()).collect();
            load::load(&clients, &keys).await?;
        }
        Task::Measure(workload) => {
            let clients = connections::open(&arguments.endpoints, arguments.clients).await?;
            let seconds = Duration::from_secs(arguments.seconds);
            let measured = drive::drive(&clients, workload, &keys, seconds).await?;
            println!("{}", row::row(&measured, workload, arguments.clients, arguments.nodes));
        }
    }
    Ok(())
}

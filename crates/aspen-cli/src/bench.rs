//! `aspen bench`: closed-loop clients, each with one request in flight.

mod audience;
mod load;
mod measure;
mod operation;
mod random;
mod transaction;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use aspen_client::Client;
use aspen_core::{KeyValueStore, Watch};
use serde_json::{Value as Json, json};

use crate::args::GlobalArgs;
use crate::args::bench::{BenchArgs, Workload};
use crate::commands::connect;
use crate::exit::CliError;
use crate::output::Output;

use self::audience::Audience;
use self::measure::Measured;

/// What a benchmark drives.
pub(crate) trait Target: KeyValueStore + Watch {}

impl<T: KeyValueStore + Watch> Target for T {}

/// Clients run for so long before anything is counted: connections open, caches fill.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long one request may take in a measurement; a failover fits.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

pub(crate) async fn run(
    global: &GlobalArgs,
    args: BenchArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    let clients = open_clients(global, &args).await?;
    let first = clients[0].clone();
    let nodes = match args.nodes {
        Some(nodes) => nodes as usize,
        None => first.status().await?.nodes.len(),
    };
    let stores: Vec<Arc<dyn Target>> =
        clients.iter().map(|client| Arc::new(client.clone()) as Arc<dyn Target>).collect();
    let measured = measure(&stores, &args).await;
    for client in &clients {
        client.close().await;
    }
    report(&args, nodes, &measured?, output)
}

/// One client per connection; all of them share the tasks between them.
async fn open_clients(global: &GlobalArgs, args: &BenchArgs) -> Result<Vec<Client>, CliError> {
    let mut clients = Vec::new();
    for _ in 0..args.connections.max(1) {
        clients.push(connect(global, TIMEOUT_DEFAULT).await?);
    }
    Ok(clients)
}

async fn measure(stores: &[Arc<dyn Target>], args: &BenchArgs) -> Result<Measured, CliError> {
    if args.workload == Workload::Load {
        return load::load(&stores[0], args, 0).await;
    }
    load::load_missing(&stores[0], args).await?;
    let audience = Audience::open(&stores[0], args).await?;
    let mut measured = measure::run(stores, args, WARM_UP).await?;
    measured.events = audience.events();
    Ok(measured)
}

fn report(
    args: &BenchArgs,
    nodes: usize,
    measured: &Measured,
    output: &mut Output,
) -> Result<(), CliError> {
    let figures = figures(args, nodes, measured);
    if output.is_json() {
        return output.json(&figures);
    }
    let header = ["workload", "clients", "nodes", "ops/s", "p50 µs", "p99 µs", "max µs", "errors"];
    let names =
        ["workload", "clients", "nodes", "ops_per_s", "p50_us", "p99_us", "max_us", "errors"];
    let cell = |name: &str| match &figures[name] {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    output.table(&header, [names.map(cell).to_vec()])
}

fn figures(args: &BenchArgs, nodes: usize, measured: &Measured) -> Json {
    use clap::ValueEnum;
    let workload = args.workload.to_possible_value();
    let workload = workload.map(|value| value.get_name().to_owned()).unwrap_or_default();
    let micros = |quantile: f64| measured.latencies.value_at_quantile(quantile);
    json!({
        "system": "aspen",
        "workload": workload,
        "clients": args.clients,
        "nodes": nodes,
        "ops_per_s": measured.operations_per_second().round(),
        "p50_us": micros(0.5),
        "p99_us": micros(0.99),
        "max_us": measured.latencies.max(),
        "errors": measured.errors,
        "conflicts": measured.conflicts,
        "operations": measured.operations,
        "watches": args.watches,
        "idle_watches": args.idle_watches,
        "events": measured.events,
        "seconds": measured.elapsed.as_secs_f64(),
        "keys": args.keys,
        "value_bytes": args.value_bytes,
        "connections": args.connections,
        "first_error": measured.first_error,
    })
}

#[cfg(test)]
mod tests;

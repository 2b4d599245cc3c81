//! One line of output.

use crate::drive::Measured;
use crate::workload::Workload;
use serde_json::{Value, json};

/// The measured figures with the names that `aspen bench` uses.
pub fn row(measured: &Measured, workload: Workload, clients: usize, nodes: u64) -> Value {
    let latencies = &measured.latencies_us;
    let ops_per_s = latencies.len() as f64 / measured.took.as_secs_f64();
    json!({
        "system": "etcd",
        "workload": workload.to_string(),
        "clients": clients,
        "nodes": nodes,
        "ops_per_s": (ops_per_s * 10.0).round() / 10.0,
        "p50_us": latencies.value_at_quantile(0.50),
        "p99_us": latencies.value_at_quantile(0.99),
        "max_us": latencies.max(),
        "errors": measured.errors,
    })
}

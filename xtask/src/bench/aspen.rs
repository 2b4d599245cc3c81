//! Measuring Aspen with its own `aspen bench`.

use super::report::Report;
use super::row::Row;
use super::scratch::Scratch;
use super::workload::Workload;
use super::{Load, Plan, memory, of};
use crate::cluster::{Binaries, Client, Interrupt, Layout, Running};
use crate::exec::output_within;
use crate::failure::Outcome;
use std::path::Path;
use std::time::Duration;

/// What a measurement may take beside its own seconds: loading the keys, above all.
const PREPARES_WITHIN: Duration = Duration::from_secs(600);

/// Measures every row of `plan` on one new cluster.
pub(super) fn measure(
    binaries: &Binaries,
    scratch: &Path,
    plan: Plan<'_>,
    report: &mut Report,
    interrupt: &Interrupt,
) -> Outcome {
    let scratch = Scratch::create(scratch, "aspen")?;
    let layout = Layout::at(scratch.path())?;
    let mut running = Running::start(&layout, binaries, plan.load.nodes)?;
    let client = running.wait_until_serving(interrupt)?;
    for (workload, clients) in plan.pairs() {
        interrupt.check()?;
        let pids: Vec<u32> = layout.running().into_iter().map(|(_, pid)| pid).collect();
        memory::reset_peaks(&pids);
        let mut row = drive(&client, workload, clients, plan.load).map_err(|e| of("aspen", e))?;
        row.rss_mib_max = memory::peak_mib(&pids);
        report.add(row)?;
    }
    running.stop(interrupt)
}

fn drive(client: &Client, workload: Workload, clients: u64, load: Load) -> Outcome<Row> {
    let limit = PREPARES_WITHIN + Duration::from_secs(load.seconds);
    Row::parse(&bench(client, &workload.to_string(), clients, load, limit)?)
}

/// Runs `aspen bench` once and returns its output.
pub(super) fn bench(
    client: &Client,
    workload: &str,
    clients: u64,
    load: Load,
    limit: Duration,
) -> Outcome<String> {
    let mut command = client.command(["bench", "--workload", workload, "--json"]);
    command.args(load.arguments(clients));
    output_within(&mut command, limit)
}

impl Load {
    /// The flags that `aspen bench` and the etcd driver share.
    pub(super) fn arguments(&self, clients: u64) -> [String; 10] {
        let flags = [
            ("--clients", clients),
            ("--nodes", self.nodes),
            ("--seconds", self.seconds),
            ("--keys", self.keys),
            ("--value-bytes", self.value_bytes),
        ];
        let [a, b, c, d, e] = flags.map(|(flag, value)| [flag.to_string(), value.to_string()]);
        let ([a, x], [b, y], [c, z], [d, u], [e, v]) = (a, b, c, d, e);
        [a, x, b, y, c, z, d, u, e, v]
    }
}

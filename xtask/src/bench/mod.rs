//! `cargo xtask bench`: Aspen's figures, and etcd's from the same machine in the same run.

mod aspen;
mod etcd;
mod free_port;
mod memory;
mod report;
mod restart;
mod row;
mod scratch;
mod table;
#[cfg(test)]
mod tests;
mod workload;

use crate::cluster::{Binaries, Interrupt, Profile};
use crate::failure::{Failure, Outcome};
use report::Report;
use std::path::PathBuf;
use workload::Workload;

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What the clients do, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', required = true)]
    workload: Vec<Workload>,
    /// How many closed-loop clients; one row for each of the numbers given.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256")]
    clients: Vec<u64>,
    /// How many nodes the measured clusters have.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=9))]
    nodes: u64,
    /// How long each row is measured. Longer evens out background work; 5 is enough for a look.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// How many keys are loaded before and picked from, each as likely as any other.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// The size of every value, in bytes.
    #[arg(long, default_value_t = 256)]
    value_bytes: u64,
    /// Measure this system too and print the ratios.
    #[arg(long, value_enum)]
    peer: Option<Peer>,
    /// Append one JSON object per row to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where the measured data lies while it is measured: the disk under it is part of the result.
    /// `target/bench` by default, since a temporary directory is often no disk at all.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// A system to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Peer {
    /// etcd 3.5, the first `etcd` on the PATH.
    Etcd,
}

/// The data of one measurement: everything that a system under test needs to know.
#[derive(Clone, Copy)]
struct Load {
    nodes: u64,
    seconds: u64,
    keys: u64,
    value_bytes: u64,
}

/// Runs what `arguments` ask for.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut run = Run::prepare(arguments)?;
    let workloads: Vec<Workload> = arguments.rows();
    let load = arguments.load();
    if !workloads.is_empty() {
        let plan = Plan { workloads: &workloads, clients: &arguments.clients, load };
        let measured = run.rows(plan);
        // The rows of a run that failed or was interrupted are worth as much as before.
        println!("{}", table::table(run.report.rows()));
        measured?;
    }
    if arguments.workload.contains(&Workload::Restart) {
        run.restarts(load.value_bytes)?;
    }
    Ok(())
}

/// The built programs, and where results go.
struct Run {
    binaries: Binaries,
    peer: Option<etcd::Driver>,
    scratch: PathBuf,
    report: Report,
    interrupt: Interrupt,
}

impl Run {
    /// Builds everything first, so that no compiler runs beside a measurement.
    fn prepare(arguments: &Arguments) -> Outcome<Self> {
        let interrupt = Interrupt::install()?;
        let peer = arguments.peer.map(|Peer::Etcd| etcd::Driver::build()).transpose()?;
        let binaries = Binaries::build(Profile::Release)?;
        let scratch = arguments.dir.clone().unwrap_or_else(scratch::default_dir);
        let report = Report::new(arguments.json.clone());
        Ok(Self { binaries, peer, scratch, report, interrupt })
    }

    /// Measures one system after the other, since they would share the machine's cores.
    fn rows(&mut self, plan: Plan<'_>) -> Outcome {
        let (report, interrupt) = (&mut self.report, &self.interrupt);
        aspen::measure(&self.binaries, &self.scratch, plan, report, interrupt)?;
        let Some(driver) = &self.peer else { return Ok(()) };
        let comparable = plan.workloads.iter().copied().filter(|it| it.has_peer());
        let workloads: Vec<Workload> = comparable.collect();
        let plan = Plan { workloads: &workloads, ..plan };
        match workloads.is_empty() {
            true => Ok(()),
            false => etcd::measure(driver, &self.scratch, plan, report, interrupt),
        }
    }

    fn restarts(&self, value_bytes: u64) -> Outcome {
        let (report, interrupt) = (&self.report, &self.interrupt);
        restart::measure_aspen(&self.binaries, &self.scratch, value_bytes, report, interrupt)?;
        let Some(driver) = &self.peer else { return Ok(()) };
        restart::measure_etcd(driver, &self.scratch, value_bytes, report, interrupt)
    }
}

/// The rows to measure on one cluster.
#[derive(Clone, Copy)]
struct Plan<'a> {
    workloads: &'a [Workload],
    clients: &'a [u64],
    load: Load,
}

impl Plan<'_> {
    /// Every pair of workload and number of clients, in the order of the output.
    fn pairs(&self) -> impl Iterator<Item = (Workload, u64)> + '_ {
        let with_clients = |workload| self.clients.iter().map(move |clients| (workload, *clients));
        self.workloads.iter().copied().flat_map(with_clients)
    }
}

impl Arguments {
    fn load(&self) -> Load {
        let (nodes, seconds) = (self.nodes, self.seconds);
        Load { nodes, seconds, keys: self.keys, value_bytes: self.value_bytes }
    }

    /// The workloads that are measured in rows of a table.
    fn rows(&self) -> Vec<Workload> {
        let rows = self.workload.iter().copied();
        rows.filter(|workload| *workload != Workload::Restart).collect()
    }
}

/// A failure of one system, told apart from the other's.
fn of(system: &str, cause: Failure) -> Failure {
    Failure::of(format!("measuring {system}"), cause)
}

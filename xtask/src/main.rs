//! Builds, checks, launches and measures Aspen: `cargo xtask <command>`.
//!
//! This is a program of plain threads and child processes. It knows Aspen only from outside: by
//! its source text, its command line and its files.
#![allow(
    clippy::disallowed_methods,
    reason = "the task runner is no part of the simulated system: it may read clocks and sleep"
)]

mod bench;
mod check;
mod cluster;
mod exec;
mod failure;
mod fix;
mod sim;
mod test;
mod tidy;
mod verify;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The tasks of the Aspen workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every check and every test; stop at the first that fails.
    Test(test::Arguments),
    /// Run the checks that need no test run: format, clippy, tidy, documentation. Writes nothing.
    Verify,
    /// Format the code and apply the fixes that clippy is sure about.
    Fix,
    /// Check what no compiler sees: crate edges, dead files, sizes, limits, paths in docs.
    Tidy,
    /// Launch, inspect and break a cluster of local processes.
    #[command(subcommand)]
    Cluster(cluster::Action),
    /// Run simulated clusters under faults; the same seed gives the same run.
    Sim(sim::Arguments),
    /// Measure Aspen, and etcd beside it, on this machine.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Test(arguments) => test::run(&arguments),
        Task::Verify => verify::run(),
        Task::Fix => fix::run(),
        Task::Tidy => tidy::run(),
        Task::Cluster(action) => cluster::run(action),
        Task::Sim(arguments) => sim::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}

//! `cargo xtask sim`: builds the simulator and runs it.

use crate::check::{Check, Verdict};
use crate::exec::{cargo, run as run_command};
use crate::failure::Outcome;
use crate::workspace;
use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::Command;

/// What `cargo xtask sim` takes.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// Passed on to the simulator; `--help` says what it takes.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed_on: Vec<OsString>,
}

/// The seeds that every test run includes.
const FIXED_SEEDS: [u64; 6] = [42, 123, 456, 789, 1_024, 2_048];

/// For how long a test run tries seeds that were never tried before. One that fails is printed with
/// the command that runs it again. Longer finds more; shorter keeps a test run short.
const FRESH_MINUTES: u32 = 1;

/// The tests of consensus alone and of the simulator itself, the fixed seeds, and some fresh ones.
pub(crate) const SIMULATION: Check = Check { name: "simulation", run: simulation };

/// Runs what `arguments` say.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    simulate(&arguments.passed_on)
}

fn simulate(arguments: &[OsString]) -> Outcome {
    run_command(&mut simulating(["build", "-p", "aspen-tests", "--bin", "aspen-sim"]))?;
    run_simulator(arguments)
}

fn run_simulator(arguments: &[OsString]) -> Outcome {
    run_command(Command::new(program()).args(arguments).current_dir(workspace::root()))
}

fn simulation() -> Outcome<Verdict> {
    run_command(&mut simulating(["test", "-p", "aspen-raft", "--test", "sim"]))?;
    run_command(&mut simulating(["test", "-p", "aspen-tests", "--lib", "--test", "sim"]))?;
    run_command(&mut simulating(["build", "-p", "aspen-tests", "--bin", "aspen-sim"]))?;
    for seed in FIXED_SEEDS {
        run_simulator(&["--seed".into(), seed.to_string().into()])?;
    }
    let jobs = std::thread::available_parallelism().map_or(1, NonZero::get).to_string();
    let minutes = FRESH_MINUTES.to_string();
    run_simulator(&["--minutes".into(), minutes.into(), "--jobs".into(), jobs.into()])?;
    Ok(Verdict::Passed)
}

/// `cargo` for a simulating build. It has a target directory of its own: the flag changes every
/// crate.
fn simulating<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = cargo(arguments);
    command.args(["--profile", "sim", "--target-dir"]).arg(target());
    command.env("RUSTFLAGS", "--cfg madsim");
    command
}

fn target() -> PathBuf {
    workspace::target().join("sim")
}

fn program() -> PathBuf {
    target().join("sim/aspen-sim")
}

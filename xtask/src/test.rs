//! `cargo xtask test`: everything that must hold before a change is shared.

use crate::check::{CLIPPY, Check, DENY, DOCS, FORMAT, TIDY, Verdict, run_all};
use crate::exec::{cargo, is_installed, run as run_command};
use crate::failure::Outcome;
use crate::sim::SIMULATION;

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Leave out slow tests, process tests, the documentation build and its examples.
    #[arg(long)]
    quick: bool,
}

const TESTS: Check = Check { name: "tests", run: || tests(profile()) };
const QUICK_TESTS: Check = Check { name: "quick tests", run: || tests("quick") };
const DOC_TESTS: Check = Check { name: "examples in the documentation", run: doc_tests };

/// Runs the list that `arguments` asks for.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    if arguments.quick {
        run_all(&[FORMAT, CLIPPY, TIDY, QUICK_TESTS])
    } else {
        run_all(&[FORMAT, CLIPPY, TIDY, DOCS, DENY, TESTS, SIMULATION, DOC_TESTS])
    }
}

/// CI wants every failure and a report; a person wants the first failure.
fn profile() -> &'static str {
    if std::env::var("CI").is_ok_and(|value| value == "true") { "ci" } else { "default" }
}

fn tests(profile: &str) -> Outcome<Verdict> {
    if is_installed("cargo-nextest") {
        let arguments = ["nextest", "run", "--workspace", "--profile", profile];
        return run_command(&mut cargo(arguments)).map(|()| Verdict::Passed);
    }
    eprintln!(
        "cargo-nextest is not installed: `cargo test` runs every test instead, in one process"
    );
    let arguments = ["test", "--workspace", "--lib", "--bins", "--tests"];
    run_command(&mut cargo(arguments)).map(|()| Verdict::Passed)
}

fn doc_tests() -> Outcome<Verdict> {
    run_command(&mut cargo(["test", "--workspace", "--doc"])).map(|()| Verdict::Passed)
}

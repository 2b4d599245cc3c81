//! The checks that `test` and `verify` are lists of.

use crate::exec::{cargo, is_installed, run};
use crate::failure::{Failure, Outcome};
use std::time::{Duration, Instant};

/// One named check. A list of them is a task: a new check is one more line in that list.
pub(crate) struct Check {
    /// The heading, and the line in the summary.
    pub(crate) name: &'static str,
    /// Does the work; fails with what is wrong.
    pub(crate) run: fn() -> Outcome<Verdict>,
}

/// What a check that did not fail says.
pub(crate) enum Verdict {
    /// Everything it looks at is in order.
    Passed,
    /// It could not look; why, and what to install.
    Skipped(&'static str),
}

pub(crate) const FORMAT: Check = Check { name: "format", run: format };
pub(crate) const CLIPPY: Check = Check { name: "clippy, examples and tests included", run: clippy };
pub(crate) const TIDY: Check = Check { name: "tidy", run: tidy };
pub(crate) const DOCS: Check = Check { name: "documentation", run: docs };
pub(crate) const DENY: Check = Check { name: "licenses and sources of dependencies", run: deny };

/// Runs `checks` in order, a heading each, and ends with a summary; stops at the first failure.
pub(crate) fn run_all(checks: &[Check]) -> Outcome {
    let mut done = Vec::new();
    for (index, check) in checks.iter().enumerate() {
        eprintln!("\n== {}/{} {} ==", index + 1, checks.len(), check.name);
        let start = Instant::now();
        match (check.run)() {
            Ok(verdict) => done.push(summary_line(check.name, &verdict, start.elapsed())),
            Err(cause) => return Err(stopped(&done, check.name, &cause)),
        }
    }
    eprintln!("\n== summary ==\n{}", done.join("\n"));
    Ok(())
}

fn summary_line(name: &str, verdict: &Verdict, took: Duration) -> String {
    match verdict {
        Verdict::Passed => format!("passed   {name} ({:.1} s)", took.as_secs_f64()),
        Verdict::Skipped(why) => format!("skipped  {name}: {why}"),
    }
}

fn stopped(done: &[String], name: &str, cause: &Failure) -> Failure {
    eprintln!("\n== summary ==");
    done.iter().for_each(|line| eprintln!("{line}"));
    eprintln!("FAILED   {name}");
    Failure::of(format!("the check \"{name}\" failed"), cause)
}

fn format() -> Outcome<Verdict> {
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    // Outside the workspace, but no less part of the repository.
    run(&mut cargo(["fmt", "--check", "--manifest-path", "bench/peer-etcd/Cargo.toml"]))?;
    Ok(Verdict::Passed)
}

fn clippy() -> Outcome<Verdict> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    run(&mut cargo(arguments)).map(|()| Verdict::Passed)
}

fn tidy() -> Outcome<Verdict> {
    crate::tidy::run().map(|()| Verdict::Passed)
}

fn docs() -> Outcome<Verdict> {
    let mut command = cargo(["doc", "--workspace", "--no-deps"]);
    run(command.env("RUSTDOCFLAGS", "-Dwarnings")).map(|()| Verdict::Passed)
}

fn deny() -> Outcome<Verdict> {
    if !is_installed("cargo-deny") {
        let why = "cargo-deny is not installed; `cargo install cargo-deny` adds it";
        eprintln!("skipped: {why}");
        return Ok(Verdict::Skipped(why));
    }
    // Its warnings, above all of duplicate versions, are hundreds of lines; `cargo deny check`
    // alone prints them.
    let arguments = ["deny", "--log-level", "error", "check", "licenses", "bans", "sources"];
    run(&mut cargo(arguments)).map(|()| Verdict::Passed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const PASSES: Check = Check { name: "passes", run: || Ok(Verdict::Passed) };
    const FAILS: Check = Check { name: "fails", run: || Err(Failure::new("broken")) };
    const UNREACHED: Check = Check { name: "unreached", run: || panic!("ran after a failure") };

    #[test]
    fn the_first_failure_ends_the_list_and_is_named() {
        let failure = run_all(&[PASSES, FAILS, UNREACHED]).unwrap_err().to_string();
        assert_eq!(failure, "the check \"fails\" failed: broken");
    }

    #[test]
    fn a_list_without_failures_passes() {
        run_all(&[PASSES, PASSES]).unwrap();
    }
}

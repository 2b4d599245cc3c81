//! Random plans, run on every state machine.

use std::cell::RefCell;

use aspen_core::{Rejection, Reply};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::check;
use crate::plan::{PlannedScan, Step, open_sessions, scan, step};
use crate::subject::{Memory, Sqlite, Subject};

type Plan = (Vec<Step>, Vec<PlannedScan>);

fn plans(steps_max: usize) -> impl Strategy<Value = Plan> {
    (vec(step(), 1..steps_max), vec(scan(), 8)).prop_map(|(mut steps, scans)| {
        steps.insert(0, open_sessions());
        (steps, scans)
    })
}

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// Runs `cases` plans of up to `steps_max` steps. A failing plan is shrunk and printed; it belongs
/// in `stories` once it is understood.
fn run<S: Subject>(cases: u32, steps_max: usize) {
    let outcome = TestRunner::new(config(cases)).run(&plans(steps_max), |(steps, scans)| {
        check::run::<S>(&steps, &scans);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// A runner that makes the same plans every time.
fn repeatable(config: Config) -> TestRunner {
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, random)
}

/// Whether any of the plans shows a difference to the model. The plans are the same every time.
pub(crate) fn find_difference<S: Subject>(cases: u32, steps_max: usize) -> bool {
    let config = Config { max_shrink_iters: 0, ..config(cases) };
    let outcome = repeatable(config).run(&plans(steps_max), |(steps, scans)| {
        check::run::<S>(&steps, &scans);
        Ok(())
    });
    matches!(outcome, Err(TestError::Fail(..)))
}

#[test]
fn memory_is_equal_to_the_model() {
    run::<Memory>(64, 40);
}

#[test]
fn slow_memory_is_equal_to_the_model() {
    run::<Memory>(300, 120);
}

#[test]
fn sqlite_is_equal_to_the_model() {
    run::<Sqlite>(64, 40);
}

#[test]
fn slow_sqlite_is_equal_to_the_model() {
    run::<Sqlite>(60, 120);
}

/// A name for what a reply says, when the plans are meant to bring it about.
fn name(reply: &Reply) -> &'static str {
    match reply {
        Reply::Transaction(outcome) if outcome.succeeded => "success",
        Reply::Transaction(_) => "failure",
        Reply::SessionOpen => "session open",
        Reply::Compacted { .. } => "compacted",
        Reply::LeaseGranted { .. } => "granted",
        Reply::LeaseRevoked { .. } => "revoked",
        Reply::LeasesExpired { leases: 0, .. } => "nothing expired",
        Reply::LeasesExpired { .. } => "expired leases",
        Reply::RevisionPinned { .. } => "pinned",
        Reply::Rejected(Rejection::Conflict(conflict)) if conflict.range.is_none() => {
            "key conflict"
        }
        Reply::Rejected(Rejection::Conflict(_)) => "range conflict",
        Reply::Rejected(Rejection::Compacted { .. }) => "below the horizon",
        Reply::Rejected(Rejection::FutureRevision { .. }) => "future",
        Reply::Rejected(Rejection::SessionExpired) => "expired",
        Reply::Rejected(Rejection::OutsideWindow { .. }) => "outside the window",
        Reply::Rejected(Rejection::ResultDropped { .. }) => "dropped",
        Reply::Rejected(Rejection::Invalid(_)) => "invalid",
        Reply::Rejected(Rejection::TooManySessions { .. }) => "too many sessions",
        Reply::Rejected(Rejection::TooManyResults { .. }) => "too many results",
        Reply::Rejected(Rejection::LeaseExists { .. }) => "lease exists",
        Reply::Rejected(Rejection::NoSuchLease { .. }) => "no such lease",
        Reply::Rejected(Rejection::TooManyLeases { .. }) => "too many leases",
        Reply::Rejected(Rejection::TooManyLeaseKeys { .. }) => "too many keys of a lease",
        Reply::Rejected(Rejection::TooManyPins { .. }) => "too many pins",
    }
}

/// Plans that never bring an answer about do not compare it.
#[test]
fn the_plans_bring_about_every_answer() {
    let seen = RefCell::new(std::collections::BTreeMap::new());
    let outcome = repeatable(config(64)).run(&plans(40), |(steps, scans)| {
        for reply in check::run::<Memory>(&steps, &scans) {
            *seen.borrow_mut().entry(name(&reply)).or_insert(0) += 1;
        }
        Ok(())
    });
    outcome.unwrap();
    let seen = seen.into_inner();
    assert_eq!(
        seen.len(),
        19,
        "all but too many sessions, results, leases, keys or pins: {seen:?}"
    );
    println!("{seen:?}");
}

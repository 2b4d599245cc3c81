//! The dangers of consensus: survived as Aspen is, found where the protection is switched off.

use aspen_tests::sim::{Scenario, run};

/// Seeds that Aspen survives, and within which the bug is found.
const SEEDS: u64 = 10;

fn judge(scenario: Scenario) {
    for seed in 0..SEEDS {
        let verdict = run(scenario.plan(seed, false), false).verdict;
        assert!(verdict.is_ok(), "{scenario:?}, seed {seed}: {verdict:?}");
    }
    let bug = scenario.bug();
    let found = (0..SEEDS).any(|seed| run(scenario.plan(seed, true), false).verdict.is_err());
    assert!(found, "{scenario:?}: {bug} was not found in {SEEDS} seeds");
}

#[test]
fn slow_a_leader_does_not_go_on_in_its_old_term() {
    judge(Scenario::LeaderRestore);
}

#[test]
fn slow_nothing_is_applied_before_it_is_durable() {
    judge(Scenario::ApplyAheadOfLog);
}

#[test]
fn slow_nothing_is_answered_before_it_is_durable() {
    judge(Scenario::AnswerAheadOfLog);
}

#[test]
fn slow_a_lease_outlives_the_restart_of_its_followers() {
    judge(Scenario::ForgottenLease);
}

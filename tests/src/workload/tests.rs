//! Every workload passes on a store that fails as it may, and finds the lies that it is there for.

mod faulty_leases;
mod faulty_store;
mod faulty_watch;
mod lie;
mod outage;
mod world;

use super::{all, named};
use lie::Lie;
use world::{Run, simulate};

/// How many seeds a correct store must pass.
const HONEST_SEEDS: u64 = 12;

/// Within how many seeds a lie must be found.
const LYING_SEEDS: u64 = 30;

fn simulate_named(name: &str, seed: u64, lie: Option<Lie>) -> Run {
    simulate(&named(name).expect("a workload of that name"), seed, lie)
}

fn passes(name: &str) {
    for seed in 0..HONEST_SEEDS {
        let run = simulate_named(name, seed, None);
        assert_eq!(run.result, Ok(()), "{name}, seed {seed}");
        assert!(run.changes > 60, "{name}, seed {seed}: only {} changes", run.changes);
    }
}

fn finds(name: &str, lie: Lie) {
    let found = (0..LYING_SEEDS).any(|seed| simulate_named(name, seed, Some(lie)).result.is_err());
    assert!(found, "{name} does not find {lie:?}");
}

/// One test that the workload passes, and one for each lie that it finds.
macro_rules! workload_tests {
    ($($name:ident: $($lie:ident),+;)+) => {
        const TESTED: &[&str] = &[$(stringify!($name)),+];

        $(mod $name {
            #[test]
            fn passes_on_a_correct_store_with_faults() {
                super::passes(stringify!($name));
            }

            #[test]
            fn finds_lies() {
                $(super::finds(stringify!($name), super::Lie::$lie);)+
            }
        })+
    };
}

workload_tests! {
    register: StaleReads, LostWrites, RepeatedWrites, LateRepeats, ForgottenConditions,
        FalseFailures, Rollbacks;
    lease_register: StaleReads, LostWrites, RepeatedWrites, LateRepeats, ForgottenConditions,
        FalseFailures, Rollbacks;
    ring: LostWrites, TornWrites, ForgottenConditions, FalseFailures, Rollbacks;
    bank: LostWrites, TornWrites, ForgottenConditions, ComparedVersions, FalseFailures, Rollbacks;
    counter: StaleReads, LostWrites, ForgottenConditions, FalseFailures, Rollbacks;
    append_once: LostWrites, RepeatedWrites, LateRepeats, FalseFailures, Rollbacks;
    range: StaleReads, LostWrites, LateRepeats, TornWrites, ShortDeletes, DriftingPages,
        SkippingCursors, FalseRevisions, FalseFailures, Rollbacks;
    phantom: ForgottenRanges, LostWrites, FalseFailures;
    write_during_read: StaleReads, LostWrites, RepeatedWrites, LateRepeats, TornWrites,
        ForgottenConditions, ForgottenRanges, ShortDeletes, DriftingPages, SkippingCursors,
        FalseRevisions, FalseFailures, Rollbacks;
    sideband: StaleReads, LostWrites, FalseRevisions, Rollbacks;
    transactions: LostWrites, RepeatedWrites, TornWrites, ForgottenConditions,
        FalseFailures, Rollbacks;
    leases: EarlyEnds, EndlessLeases, OutlivingKeys;
    pins: ForgottenPins;
    locks: EarlyEnds, EndlessLeases, OutlivingKeys, LostWrites, ForgottenConditions, Rollbacks;
    watch: SkippedEvents, RepeatedEvents, TornEvents, LostWrites;
    serializability: StaleReads, LostWrites, TornWrites, ForgottenConditions, FalseRevisions,
        FalseFailures, Rollbacks;
    mixed: LostWrites;
}

#[test]
fn every_workload_is_tested_and_found_by_its_name() {
    let names: Vec<_> = all().iter().map(|workload| workload.name()).collect();
    for name in TESTED {
        assert!(names.contains(name), "{name} is tested and does not exist");
    }
    assert_eq!(names.len(), TESTED.len(), "{names:?}");
    assert!(named("no such workload").is_none());
}

#[test]
fn a_seed_determines_a_run() {
    // The pauses of `aspen-txn` and `aspen-layers` come from the runtime, which only the simulator
    // seeds; its own test of determinism includes them.
    for name in TESTED.iter().filter(|name| !["transactions", "locks", "mixed"].contains(name)) {
        let trace = |seed| simulate_named(name, seed, None).trace;
        assert_eq!(trace(3), trace(3), "{name}");
        assert_ne!(trace(3), trace(4), "{name}");
    }
}

//! One seed, one run.

use std::process::Command;

use aspen_tests::sim::{Plan, run};

/// What a process of its own says about a seed: its digest, counts and verdict.
fn outcome(seed: u64, workload: &str) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_aspen-sim"));
    program.args(["--seed", &seed.to_string(), "--workload", workload, "--no-minimize"]);
    let output = program.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let digest = text.lines().skip_while(|line| !line.starts_with("digest"));
    let outcome: Vec<&str> = digest.collect();
    assert!(outcome.len() >= 2, "no outcome: {text}");
    outcome.join("\n")
}

#[test]
fn a_seed_runs_the_same_in_every_process() {
    for (seed, workload) in [(1, "register"), (2, "bank"), (3, "mixed"), (4, "range")] {
        assert_eq!(outcome(seed, workload), outcome(seed, workload), "seed {seed}, {workload}");
    }
}

#[test]
fn a_seed_runs_the_same_again_and_beside_others_in_one_process() {
    for (seed, workload) in [(1, "register"), (2, "bank"), (3, "mixed"), (4, "serializability")] {
        let digest = |seed| run(Plan::draw(seed, workload, None), false).digest;
        let first = digest(seed);
        let again = std::thread::scope(|scope| {
            let runs = [seed, seed + 100, seed].map(|seed| scope.spawn(move || digest(seed)));
            runs.map(|run| run.join().unwrap())
        });
        assert_eq!([again[0], again[2]], [first, first], "seed {seed}, {workload}");
    }
}

#[test]
fn other_seeds_run_otherwise() {
    let digest = |seed| run(Plan::draw(seed, "register", None), false).digest;
    assert_ne!(digest(1), digest(2));
}

//! One seed, one run.

use aspen_tests::sim::{Plan, run};

#[test]
fn a_seed_runs_the_same_twice() {
    for (seed, workload) in [(1, "register"), (2, "bank"), (3, "mixed"), (4, "range")] {
        let plan = Plan::draw(seed, workload, None);
        let (first, second) = (run(plan.clone(), false), run(plan, false));
        assert_eq!(first.digest, second.digest, "seed {seed}, {workload}");
        assert_eq!(first.history, second.history);
    }
}

#[test]
fn other_seeds_run_otherwise() {
    let digest = |seed| run(Plan::draw(seed, "register", None), false).digest;
    assert_ne!(digest(1), digest(2));
}

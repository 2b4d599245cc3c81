//! Histories of the size that a simulation makes are decided within a small part of the budget.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::brute_force::answer;
use super::*;
use crate::check::linearizability::{LINEARIZABILITY_STEPS_MAX, Verdict, judge};

const OPERATIONS: u64 = 5_000;

/// What the clients of a generated run do.
struct Mix {
    clients: u64,
    /// Writes that are never written twice, or values out of a few.
    unique: bool,
    /// Of a hundred operations, how many leave their client without an answer.
    unknown_percent: u64,
    /// Of those, how many of a hundred take effect, some of them late.
    effective_percent: u64,
}

/// Runs clients against a register by picking, in random order, who invokes, who takes effect and
/// who returns.
fn run(mix: &Mix, seed: u64) -> History {
    let mut random = StdRng::seed_from_u64(seed);
    let mut run = Run { clock: 0, value: None, operations: Vec::new(), late: Vec::new() };
    let mut running: Vec<Option<Step>> = (0..mix.clients).map(|_| None).collect();
    while (run.operations.len() as u64) < OPERATIONS {
        let client = random.random_range(0..mix.clients);
        let slot = &mut running[usize::try_from(client).unwrap()];
        *slot = match slot.take() {
            None => Some(run.invoke(client, mix, &mut random)),
            Some(step) => run.advance(step, mix, &mut random),
        };
        if !run.late.is_empty() && random.random_range(0..10) == 0 {
            let index = random.random_range(0..run.late.len());
            let op = run.late.swap_remove(index);
            run.value = answer(op, run.value).1;
        }
    }
    history(run.operations)
}

struct Step {
    index: usize,
    result: Option<RegisterResult>,
}

struct Run {
    clock: u64,
    value: Option<u64>,
    operations: Vec<Operation>,
    /// Operations whose clients gave up and that will take effect.
    late: Vec<RegisterOp>,
}

impl Run {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn invoke(&mut self, client: u64, mix: &Mix, random: &mut impl Rng) -> Step {
        let invoked = self.tick();
        let new = if mix.unique { invoked } else { random.random_range(0..5) };
        let op = match random.random_range(0..10) {
            0..4 => RegisterOp::Read,
            4..7 => RegisterOp::Write(new),
            7 => RegisterOp::Delete,
            // Half of the comparisons know the value.
            8 => RegisterOp::Cas { expected: self.value, new },
            _ => RegisterOp::Cas { expected: Some(new + 1), new },
        };
        let index = self.operations.len();
        self.operations.push(operation(client, (invoked, invoked), op, Outcome::Unknown));
        Step { index, result: None }
    }

    fn advance(&mut self, step: Step, mix: &Mix, random: &mut impl Rng) -> Option<Step> {
        let op = self.operations[step.index].op;
        if let Some(result) = step.result {
            let at = self.tick();
            let operation = &mut self.operations[step.index];
            operation.outcome = Outcome::Ok(result);
            operation.returned = Some(Moment { order: at, at_us: at });
            return None;
        }
        if random.random_range(0..100) < mix.unknown_percent {
            if random.random_range(0..100) < mix.effective_percent {
                self.late.push(op);
            }
            return None;
        }
        let (result, value) = answer(op, self.value);
        self.value = value;
        Some(Step { result: Some(result), ..step })
    }
}

/// A quarter of the budget: such a history must not come near it.
const STEPS: u64 = LINEARIZABILITY_STEPS_MAX / 4;

fn assert_decided_quickly(mix: &Mix) {
    for seed in 0..2 {
        assert_eq!(judge(&run(mix, seed), STEPS), Verdict::Linearizable, "seed {seed}");
    }
}

#[test]
fn few_clients_and_unique_values() {
    let mix = Mix { clients: 5, unique: true, unknown_percent: 2, effective_percent: 50 };
    assert_decided_quickly(&mix);
}

#[test]
fn many_clients_and_unique_values() {
    let mix = Mix { clients: 20, unique: true, unknown_percent: 5, effective_percent: 50 };
    assert_decided_quickly(&mix);
}

#[test]
fn many_unknown_outcomes() {
    let mix = Mix { clients: 10, unique: true, unknown_percent: 30, effective_percent: 70 };
    assert_decided_quickly(&mix);
}

#[test]
fn few_values() {
    let mix = Mix { clients: 10, unique: false, unknown_percent: 0, effective_percent: 0 };
    assert_decided_quickly(&mix);
}

/// Among thousands of operations one read answers what was overwritten long ago.
#[test]
fn one_stale_read_is_shown_with_few_others() {
    let mix = Mix { clients: 5, unique: true, unknown_percent: 2, effective_percent: 50 };
    let mut history = run(&mix, 1);
    let value_of = |operation: &Operation| match operation.outcome {
        Outcome::Ok(RegisterResult::Value(Some(value))) => Some(value),
        _ => None,
    };
    let seen: Vec<_> = history.operations.iter().filter_map(value_of).collect();
    let old = seen[seen.len() / 2];
    let stale = history.operations.iter_mut().rev().find(|o| value_of(o).is_some()).unwrap();
    stale.outcome = Outcome::Ok(RegisterResult::Value(Some(old)));
    let Verdict::Violated(violation) = judge(&history, STEPS) else { panic!("not refused") };
    let shown = violation.detail.lines().count();
    assert!(shown < 12, "{violation}");
    assert!(violation.detail.contains(&format!("read -> {old}")), "{violation}");
}

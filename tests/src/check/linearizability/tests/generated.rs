//! Generated histories: correct ones are accepted, and on tiny ones the checker agrees with the one
//! that tries every order.

use proptest::prelude::*;

use super::brute_force::{answer, is_linearizable};
use super::*;
use crate::check::linearizability::{LINEARIZABILITY_STEPS_MAX, Verdict, judge};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases, ..ProptestConfig::default() }
}

/// One operation of a sequential run: who, what, how far its interval reaches to both sides of its
/// instant, and whether its client never learns of it.
type Draft = (u64, RegisterOp, u64, u64, bool);

fn register_op(values: u64) -> impl Strategy<Value = RegisterOp> {
    let expected = prop::option::of(0..values);
    prop_oneof![
        3 => Just(RegisterOp::Read),
        3 => (0..values).prop_map(RegisterOp::Write),
        2 => (expected, 0..values).prop_map(|(expected, new)| RegisterOp::Cas { expected, new }),
        1 => Just(RegisterOp::Delete),
    ]
}

fn drafts(
    count: impl Into<prop::collection::SizeRange>,
    values: u64,
) -> impl Strategy<Value = Vec<Draft>> {
    let draft = (0..5_u64, register_op(values), 0..40_u64, 0..40_u64, prop::bool::weighted(0.15));
    prop::collection::vec(draft, count)
}

/// Runs the drafts one after another on a register and stretches their intervals around the
/// instants, so that they overlap.
fn sequential(drafts: &[Draft]) -> History {
    let mut value = None;
    let mut operations = Vec::new();
    for (index, (client, op, before, after, forget)) in drafts.iter().enumerate() {
        let instant = 100 + 10 * index as u64;
        let (result, next) = answer(*op, value);
        value = next;
        let outcome = if *forget { Outcome::Unknown } else { Outcome::Ok(result) };
        let interval = (instant - before, instant + after);
        operations.push(operation(*client, interval, *op, outcome));
    }
    history(operations)
}

/// Any answers at all: mostly wrong ones.
fn arbitrary_operation() -> impl Strategy<Value = Operation> {
    let outcome = (0..6_u8, prop::option::of(0..3_u64), any::<bool>());
    (0..3_u64, register_op(3), 0..24_u64, 1..14_u64, outcome).prop_map(
        |(client, op, invoked, length, (kind, value, swapped))| {
            let result = match op {
                RegisterOp::Read => RegisterResult::Value(value),
                RegisterOp::Write(_) | RegisterOp::Delete => RegisterResult::Done,
                RegisterOp::Cas { .. } => RegisterResult::Swapped(swapped),
            };
            let outcome = match kind {
                0 => Outcome::Unknown,
                1 => Outcome::Failed,
                _ => Outcome::Ok(result),
            };
            operation(client, (invoked, invoked + length), op, outcome)
        },
    )
}

/// The verdict as yes or no.
fn accepted(history: &History) -> bool {
    match judge(history, LINEARIZABILITY_STEPS_MAX) {
        Verdict::Linearizable => true,
        Verdict::Violated(_) => false,
        Verdict::Undecided { key } => panic!("undecided on {key}"),
    }
}

/// Gives a read another answer, or turns a comparison round.
fn mutate(operation: &mut Operation, value: Option<u64>) {
    operation.outcome = match operation.outcome {
        Outcome::Ok(RegisterResult::Value(_)) => Outcome::Ok(RegisterResult::Value(value)),
        Outcome::Ok(RegisterResult::Swapped(swapped)) => {
            Outcome::Ok(RegisterResult::Swapped(!swapped))
        }
        Outcome::Unknown => Outcome::Failed,
        other => other,
    };
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn correct_histories_are_accepted(drafts in drafts(0..150, 6)) {
        prop_assert!(accepted(&sequential(&drafts)));
    }
}

proptest! {
    #![proptest_config(config(4_000))]

    #[test]
    fn any_tiny_history_is_judged_as_every_order_judges_it(
        operations in prop::collection::vec(arbitrary_operation(), 0..7),
    ) {
        let history = history(operations);
        prop_assert_eq!(accepted(&history), is_linearizable(&history.operations));
    }

    #[test]
    fn one_changed_answer_is_judged_as_every_order_judges_it(
        drafts in drafts(1..8, 3),
        index in any::<prop::sample::Index>(),
        value in prop::option::of(0..4_u64),
    ) {
        let mut history = sequential(&drafts);
        let at = index.index(history.operations.len());
        mutate(&mut history.operations[at], value);
        prop_assert_eq!(accepted(&history), is_linearizable(&history.operations));
    }

    #[test]
    fn evidence_alone_is_a_violation(
        operations in prop::collection::vec(arbitrary_operation(), 3..9),
    ) {
        let history = history(operations);
        if let Verdict::Violated(violation) = judge(&history, LINEARIZABILITY_STEPS_MAX) {
            let piece = violation.detail.lines().take_while(|line| !line.ends_with("by:"));
            let lines: Vec<_> = piece.collect();
            let shown = |operation: &Operation| {
                lines.iter().any(|line| line.trim_start() == operation.to_string())
            };
            let piece: Vec<_> = history.operations.into_iter().filter(shown).collect();
            prop_assert!(!is_linearizable(&piece), "{}", violation);
        }
    }
}

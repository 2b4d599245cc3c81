//! Histories of transactions run one after another are accepted; on tiny histories the checker
//! agrees with the one that tries every order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::brute_force::{is_serializable, run};
use super::*;
use crate::check::serializability::{RealTime, check_serializable};

const KEYS: [&str; 2] = ["x", "y"];

/// Steps (a key and whether to append), how far the interval reaches to both sides, and whether
/// the client never learns.
type Draft = (Vec<(usize, bool)>, u64, u64, bool);

fn draft() -> impl Strategy<Value = Draft> {
    let steps = prop::collection::vec((0..KEYS.len(), any::<bool>()), 1..4);
    (steps, 0..30_u64, 0..30_u64, prop::bool::weighted(0.15))
}

/// Runs the drafts one after another and stretches their intervals, so that they overlap.
fn sequential(drafts: &[Draft]) -> TransactionHistory {
    let mut state = BTreeMap::new();
    let mut transactions = Vec::new();
    for (place, (steps, before, after, forget)) in drafts.iter().enumerate() {
        let instant = 100 + 10 * place as u64;
        let mut done = transaction((instant - before, instant + after), [], Outcome::Ok(()));
        for (step, (key, append)) in steps.iter().enumerate() {
            let key = KEYS[*key];
            let operation = match append {
                true => ListOp::append(key, (10 * place + step) as u64),
                false => ListOp::saw(key, seen(&done, &state, key)),
            };
            done.operations.push(operation);
        }
        state = run(&done, state).unwrap();
        if *forget {
            done.outcome = Outcome::Unknown;
        }
        transactions.push(done);
    }
    history(transactions)
}

fn seen(running: &TransactionRecord, state: &BTreeMap<String, Vec<u64>>, key: &str) -> Vec<u64> {
    let after = run(running, state.clone()).unwrap();
    after.get(key).cloned().unwrap_or_default()
}

/// Changes one transaction: what a read saw, the order of its steps, or its outcome.
fn mutate(history: &mut TransactionHistory, at: prop::sample::Index, how: u8, by: u64) {
    let at = at.index(history.transactions.len());
    let record = &mut history.transactions[at];
    match how {
        0 => record.operations.reverse(),
        1 => record.outcome = Outcome::Failed,
        2 => record.outcome = Outcome::Unknown,
        _ => (),
    }
    for operation in &mut record.operations {
        let ListOp::Read { elements: Some(elements), .. } = operation else { continue };
        match how {
            3 => drop(elements.pop()),
            4 => elements.reverse(),
            5 => elements.push(by),
            6 => elements.truncate(1),
            7 => elements.clear(),
            _ => (),
        }
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases, ..ProptestConfig::default() }
}

fn agree(history: &TransactionHistory) -> Result<(), TestCaseError> {
    for real_time in [RealTime::Counts, RealTime::Ignored] {
        let verdict = check_serializable(history, real_time);
        let explained = is_serializable(&history.transactions, real_time);
        prop_assert_eq!(verdict.is_ok(), explained, "{:?}: {:?}", real_time, verdict);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn transactions_run_one_after_another_are_accepted(
        drafts in prop::collection::vec(draft(), 0..80),
    ) {
        let verdict = check_serializable(&sequential(&drafts), RealTime::Counts);
        prop_assert_eq!(verdict, Ok(()));
    }
}

proptest! {
    #![proptest_config(config(4_000))]

    #[test]
    fn changed_histories_are_judged_as_every_order_judges_them(
        drafts in prop::collection::vec(draft(), 1..6),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8, 0..60_u64), 0..3),
    ) {
        let mut history = sequential(&drafts);
        for (at, how, by) in changes {
            mutate(&mut history, at, how, by);
        }
        agree(&history)?;
    }

    /// Two runs on stores of their own, told as one: a split brain.
    #[test]
    fn split_histories_are_judged_as_every_order_judges_them(
        drafts in prop::collection::vec(draft(), 2..6),
        sides in prop::collection::vec(any::<bool>(), 6),
    ) {
        let whole = sequential(&drafts);
        let mut states = [BTreeMap::new(), BTreeMap::new()];
        let mut transactions = Vec::new();
        for (record, side) in whole.transactions.into_iter().zip(sides) {
            let state = &mut states[usize::from(side)];
            let mut done = TransactionRecord { operations: Vec::new(), ..record.clone() };
            for operation in record.operations {
                done.operations.push(match operation {
                    ListOp::Read { key, .. } => ListOp::saw(key.clone(), seen(&done, state, &key)),
                    append @ ListOp::Append { .. } => append,
                });
            }
            *state = run(&done, state.clone()).unwrap();
            transactions.push(done);
        }
        agree(&history(transactions))?;
    }
}

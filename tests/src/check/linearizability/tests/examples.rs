//! Histories that a person can judge.

use super::*;
use crate::check::linearizability::{Verdict, check_linearizable, judge};

fn accepts(operations: impl IntoIterator<Item = Operation>) {
    check_linearizable(&history(operations)).unwrap();
}

/// The lines of the evidence that show operations.
fn refused(operations: impl IntoIterator<Item = Operation>) -> Vec<String> {
    let violation = check_linearizable(&history(operations)).unwrap_err();
    assert_eq!(violation.invariant, "linearizability");
    let lines = violation.detail.lines().filter(|line| line.contains("client"));
    lines.filter(|line| line.starts_with("  ")).map(ToString::to_string).collect()
}

#[test]
fn an_empty_history_and_an_absent_key_are_fine() {
    accepts([]);
    accepts([read(1, (0, 1), None)]);
}

#[test]
fn operations_that_overlap_may_take_effect_in_either_order() {
    accepts([write(1, (0, 9), 1), read(2, (1, 2), None), read(3, (3, 4), 1)]);
    accepts([write(1, (0, 9), 1), write(2, (1, 8), 2), read(3, (10, 11), 1)]);
    accepts([write(1, (0, 9), 1), write(2, (1, 8), 2), read(3, (10, 11), 2)]);
}

#[test]
fn a_stale_read_is_refused() {
    let evidence =
        refused([write(1, (0, 1), 1), write(1, (2, 3), 2), read(2, (4, 5), 1), read(3, (6, 7), 2)]);
    assert_eq!(evidence.len(), 3, "{evidence:#?}");
    assert!(evidence[0].ends_with("client 1: write 2 -> done"), "{evidence:#?}");
    assert!(evidence[1].ends_with("client 2: read -> 1"), "{evidence:#?}");
    assert!(evidence[2].ends_with("client 1: write 1 -> done"), "{evidence:#?}");
}

#[test]
fn reads_must_not_go_back_while_a_write_runs() {
    refused([write(1, (0, 9), 1), read(2, (1, 2), 1), read(3, (3, 4), None)]);
}

#[test]
fn a_value_that_nobody_wrote_is_refused() {
    let evidence = refused([write(1, (0, 1), 1), read(2, (2, 3), 7)]);
    assert_eq!(evidence.len(), 1, "{evidence:#?}");
}

#[test]
fn a_lost_update_is_refused() {
    refused([
        write(1, (0, 1), 1),
        cas(1, (2, 5), 1, 2, true),
        cas(2, (3, 4), 1, 3, true),
        read(1, (6, 7), 3),
    ]);
}

#[test]
fn a_comparison_that_should_have_held_is_refused() {
    refused([write(1, (0, 1), 1), cas(1, (2, 3), 1, 2, false)]);
    accepts([write(1, (0, 1), 1), cas(1, (2, 3), 2, 3, false)]);
    accepts([write(1, (0, 1), 1), write(2, (2, 9), 5), cas(1, (3, 4), 1, 2, false)]);
}

#[test]
fn two_leaders_that_each_serve_their_own_writes_are_refused() {
    refused([
        write(1, (0, 1), 1),
        write(2, (2, 3), 2),
        read(1, (4, 5), 1),
        read(2, (6, 7), 2),
        read(1, (8, 9), 1),
    ]);
}

#[test]
fn a_deleted_key_stays_absent() {
    accepts([write(1, (0, 1), 1), delete(1, (2, 3)), read(2, (4, 5), None)]);
    refused([write(1, (0, 1), 1), delete(1, (2, 3)), read(2, (4, 5), 1)]);
    refused([write(1, (0, 1), 1), delete(1, (2, 3)), cas(2, (4, 5), 1, 2, true)]);
}

#[test]
fn an_unknown_write_takes_effect_late_or_never() {
    let lost = unknown(write(1, (0, 1), 1));
    accepts([lost.clone(), write(2, (2, 3), 2), read(2, (4, 5), 2)]);
    accepts([lost.clone(), write(2, (2, 3), 2), read(2, (4, 5), 2), read(2, (6, 7), 1)]);
    refused([lost.clone(), read(2, (2, 3), 1), write(2, (4, 5), 2), read(2, (6, 7), 1)]);
    // Two of the same kind may take effect twice.
    let again = unknown(write(3, (1, 2), 1));
    accepts([lost, again, read(2, (3, 4), 1), write(2, (5, 6), 2), read(2, (7, 8), 1)]);
}

#[test]
fn an_unknown_write_does_not_take_effect_before_it_was_asked_for() {
    refused([read(2, (0, 1), 1), unknown(write(1, (2, 3), 1))]);
}

#[test]
fn a_chain_of_unknown_swaps_explains_a_read() {
    let swap = |at, from: Option<u64>, to| unknown(cas(1, (at, at + 1), from, to, true));
    accepts([swap(0, None, 1), swap(2, Some(1), 2), read(2, (4, 5), 2)]);
    refused([swap(0, None, 1), swap(2, Some(3), 2), read(2, (4, 5), 2)]);
}

#[test]
fn a_failed_write_is_never_seen() {
    refused([failed(write(1, (0, 1), 1)), read(2, (2, 3), 1)]);
    accepts([failed(write(1, (0, 1), 1)), read(2, (2, 3), None)]);
}

#[test]
fn keys_are_judged_one_by_one_and_named() {
    let other = Operation { key: "other".into(), ..read(2, (4, 5), 9) };
    let violation = check_linearizable(&history([write(1, (0, 1), 9), other])).unwrap_err();
    assert!(violation.detail.contains("\"other\""), "{violation}");
}

#[test]
fn an_answer_to_another_question_is_refused() {
    let odd = operation(1, (0, 1), RegisterOp::Read, Outcome::Ok(RegisterResult::Done));
    let violation = check_linearizable(&history([odd])).unwrap_err();
    assert_eq!(violation.invariant, "well-formed history");
}

#[test]
fn a_spent_budget_is_undecided_unless_another_key_is_violated() {
    let good = [write(1, (0, 1), 1), read(1, (2, 3), 1)];
    let undecided = judge(&history(good.clone()), 1);
    assert_eq!(undecided, Verdict::Undecided { key: "k".into() });
    let bad = Operation { key: "z".into(), ..read(2, (4, 5), 9) };
    let verdict = judge(&history(good.into_iter().chain([bad])), 1);
    assert!(matches!(verdict, Verdict::Violated(_)), "{verdict:?}");
}

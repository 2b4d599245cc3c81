//! Each anomaly, in a history that a person can judge.

use super::*;
use crate::check::serializability::{RealTime, check_serializable, check_strictly_serializable};

fn committed(interval: (u64, u64), operations: impl Into<Vec<ListOp>>) -> TransactionRecord {
    transaction(interval, operations, Outcome::Ok(()))
}

fn append(element: u64) -> ListOp {
    ListOp::append("x", element)
}

fn saw(elements: &[u64]) -> ListOp {
    ListOp::saw("x", elements)
}

fn accepts(transactions: impl IntoIterator<Item = TransactionRecord>) {
    check_strictly_serializable(&history(transactions)).unwrap();
}

fn anomaly(transactions: impl IntoIterator<Item = TransactionRecord>) -> String {
    check_strictly_serializable(&history(transactions)).unwrap_err().invariant
}

#[test]
fn transactions_one_after_another_are_fine() {
    accepts([]);
    accepts([
        committed((0, 1), [append(1)]),
        committed((2, 3), [saw(&[1]), append(2), saw(&[1, 2])]),
        committed((4, 5), [saw(&[1, 2])]),
    ]);
}

#[test]
fn overlapping_transactions_may_take_either_order() {
    accepts([committed((0, 9), [append(1)]), committed((1, 2), [saw(&[])])]);
    accepts([committed((0, 9), [append(1)]), committed((1, 2), [saw(&[1])])]);
}

#[test]
fn a_stale_read_is_an_anomaly_of_real_time_only() {
    let stale = [
        committed((0, 1), [append(1)]),
        committed((2, 3), [saw(&[])]),
        committed((4, 5), [saw(&[1])]),
    ];
    check_serializable(&history(stale.clone()), RealTime::Ignored).unwrap();
    assert_eq!(anomaly(stale), "G-single: a read missed a write, in real time");
}

#[test]
fn an_acknowledged_append_that_nobody_sees_is_found() {
    let lost = [committed((0, 1), [append(1)]), committed((2, 3), [saw(&[])])];
    assert_eq!(anomaly(lost), "G-single: a read missed a write, in real time");
}

#[test]
fn a_lost_update_is_found() {
    let update = |element| vec![saw(&[]), append(element)];
    let found = anomaly([
        committed((0, 9), update(1)),
        committed((1, 8), update(2)),
        committed((10, 11), [saw(&[1, 2])]),
    ]);
    assert_eq!(found, "G-single: a read missed a write");
}

#[test]
fn write_skew_is_found() {
    let (x, y) = (ListOp::saw("x", []), ListOp::saw("y", []));
    let found = anomaly([
        committed((0, 9), [x, ListOp::append("y", 1)]),
        committed((1, 8), [y, ListOp::append("x", 2)]),
    ]);
    assert_eq!(found, "G2: reads missed each other's writes");
}

#[test]
fn read_skew_is_found() {
    let both = [ListOp::append("x", 1), ListOp::append("y", 1)];
    let torn = [ListOp::saw("x", [1]), ListOp::saw("y", [])];
    let found = anomaly([committed((0, 9), both), committed((1, 8), torn)]);
    assert_eq!(found, "G-single: a read missed a write");
}

#[test]
fn a_write_cycle_is_found() {
    let both = |element| [ListOp::append("x", element), ListOp::append("y", element)];
    let crossed = [ListOp::saw("x", [1, 2]), ListOp::saw("y", [2, 1])];
    let found = anomaly([
        committed((0, 9), both(1)),
        committed((1, 8), both(2)),
        committed((10, 11), crossed),
    ]);
    assert_eq!(found, "G0: write cycle");
}

#[test]
fn circular_information_flow_is_found() {
    let found = anomaly([
        committed((0, 9), [ListOp::append("x", 1), ListOp::saw("y", [2])]),
        committed((1, 8), [ListOp::append("y", 2), ListOp::saw("x", [1])]),
    ]);
    assert_eq!(found, "G1c: circular information flow");
}

#[test]
fn aborted_and_intermediate_reads_are_found() {
    let failed = transaction((0, 1), [append(1)], Outcome::Failed);
    assert_eq!(anomaly([failed, committed((2, 3), [saw(&[1])])]), "G1a: aborted read");
    let half = [committed((0, 9), [append(1), append(2)]), committed((1, 2), [saw(&[1])])];
    assert_eq!(anomaly(half), "G1b: intermediate read");
}

#[test]
fn impossible_lists_are_found() {
    assert_eq!(anomaly([committed((0, 1), [saw(&[7])])]), "garbage read");
    let twice = [committed((0, 1), [append(1)]), committed((2, 3), [saw(&[1, 1])])];
    assert_eq!(anomaly(twice), "duplicate elements");
    let split = [
        committed((0, 9), [append(1)]),
        committed((1, 8), [append(2)]),
        committed((10, 13), [saw(&[1, 2])]),
        committed((11, 12), [saw(&[2, 1])]),
    ];
    assert_eq!(anomaly(split), "incompatible orders");
    let swapped = [committed((0, 1), [append(1), append(2)]), committed((2, 3), [saw(&[2, 1])])];
    assert_eq!(anomaly(swapped), "incompatible orders");
}

#[test]
fn a_transaction_agrees_with_itself() {
    let blind = committed((0, 1), [append(1), saw(&[])]);
    assert_eq!(anomaly([blind]), "internal consistency");
    let early = committed((0, 1), [saw(&[1]), append(1)]);
    assert_eq!(anomaly([early]), "internal consistency");
    let changing = committed((2, 3), [saw(&[]), saw(&[1])]);
    assert_eq!(anomaly([committed((0, 9), [append(1)]), changing]), "internal consistency");
}

#[test]
fn an_unknown_transaction_counts_when_it_is_seen() {
    let unknown = transaction((0, 1), [append(1)], Outcome::Unknown);
    accepts([unknown.clone(), committed((2, 3), [saw(&[])]), committed((4, 5), [saw(&[1])])]);
    accepts([unknown.clone(), committed((2, 3), [saw(&[])])]);
    let gone = [unknown, committed((2, 3), [saw(&[1])]), committed((4, 5), [saw(&[])])];
    assert_eq!(anomaly(gone), "G-single: a read missed a write, in real time");
    let early = transaction((2, 3), [append(1)], Outcome::Unknown);
    let found = anomaly([committed((0, 1), [saw(&[1])]), early]);
    assert_eq!(found, "G1c: circular information flow, in real time");
}

#[test]
fn an_element_that_is_appended_twice_names_nobody() {
    let twice = [committed((0, 1), [append(1)]), committed((2, 3), [append(1)])];
    assert_eq!(anomaly(twice), "well-formed history");
}

#[test]
fn a_cycle_is_shown_with_its_transactions_and_reasons() {
    let lost = [committed((0, 1), [append(1)]), committed((2, 3), [saw(&[])])];
    let violation = check_strictly_serializable(&history(lost)).unwrap_err();
    let lines: Vec<_> = violation.detail.lines().map(str::trim).collect();
    assert_eq!(
        lines[1..],
        [
            "T1 (client 1): read x = []",
            "did not see the append of",
            "T0 (client 1): append 1 to x",
            "returned before the invocation of",
        ]
    );
}

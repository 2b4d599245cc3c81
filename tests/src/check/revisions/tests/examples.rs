//! Histories that a person can judge.

use super::*;
use crate::check::revisions::check_revisions;

fn accepts(transactions: impl IntoIterator<Item = RevisionTransaction>) {
    check_revisions(&history(transactions)).unwrap();
}

fn refused(transactions: impl IntoIterator<Item = RevisionTransaction>) -> String {
    check_revisions(&history(transactions)).unwrap_err().invariant
}

fn put(client: u64, interval: (u64, u64), revision: u64, value: u64) -> RevisionTransaction {
    transaction(client, interval, revision, &[("a", Some(value))], vec![])
}

fn get(
    client: u64,
    interval: (u64, u64),
    revision: u64,
    found: Option<(u64, u64)>,
) -> RevisionTransaction {
    transaction(client, interval, revision, &[], vec![point("a", found)])
}

fn with<R>(outcome: Outcome<R>, transaction: RevisionTransaction) -> RevisionTransaction {
    let outcome = match outcome {
        Outcome::Ok(_) => return transaction,
        Outcome::Failed => Outcome::Failed,
        Outcome::Unknown => Outcome::Unknown,
    };
    RevisionTransaction { outcome, ..transaction }
}

fn unknown(transaction: RevisionTransaction) -> RevisionTransaction {
    with(Outcome::<()>::Unknown, transaction)
}

#[test]
fn writes_and_reads_in_the_order_of_revisions_are_fine() {
    accepts([]);
    accepts([get(1, (0, 1), 0, None), put(1, (2, 3), 1, 7), get(2, (4, 5), 1, Some((1, 7)))]);
    accepts([put(1, (0, 9), 2, 7), put(2, (1, 8), 1, 8), get(3, (2, 3), 2, Some((2, 7)))]);
}

#[test]
fn two_writes_do_not_share_a_revision() {
    let twice = refused([put(1, (0, 1), 1, 7), put(2, (2, 3), 1, 8)]);
    assert_eq!(twice, "every write has its own revision");
}

#[test]
fn a_write_comes_after_every_answer_before_it() {
    let other = refused([put(1, (0, 1), 2, 7), put(2, (2, 3), 1, 8)]);
    assert_eq!(other, "revisions follow real time");
    let own = refused([put(1, (0, 1), 2, 7), put(1, (2, 3), 1, 8)]);
    assert_eq!(own, "a client's revisions never go back");
    let read = refused([get(1, (0, 1), 5, None), put(2, (2, 3), 5, 8)]);
    assert_eq!(read, "revisions follow real time");
}

#[test]
fn a_stale_read_is_refused_unless_it_was_asked_for() {
    let read = get(2, (2, 3), 0, None);
    assert_eq!(refused([put(1, (0, 1), 1, 7), read.clone()]), "revisions follow real time");
    accepts([put(1, (0, 1), 1, 7), RevisionTransaction { freshness: Freshness::Stale, ..read }]);
    // A stale read told of revision 3, so a linearizable one sees it.
    let stale = RevisionTransaction { freshness: Freshness::Stale, ..get(1, (0, 1), 3, None) };
    assert_eq!(refused([stale, get(1, (2, 3), 2, None)]), "a client's revisions never go back");
}

#[test]
fn a_read_sees_its_revision_and_nothing_later() {
    let writes = [put(1, (0, 1), 1, 7), put(1, (2, 9), 2, 8)];
    for (revision, found, good) in [
        (1, Some((1, 7)), true),
        (2, Some((2, 8)), true),
        (1, Some((2, 8)), false),
        (2, Some((1, 7)), false),
        (2, None, false),
    ] {
        let history = history(writes.clone().into_iter().chain([get(2, (3, 4), revision, found)]));
        assert_eq!(check_revisions(&history).is_ok(), good, "{found:?} at {revision}");
    }
}

#[test]
fn a_transaction_reads_the_state_just_before_its_own() {
    let update = |revision, seen| {
        transaction(2, (2, 3), revision, &[("a", Some(9))], vec![point("a", Some(seen))])
    };
    accepts([put(1, (0, 1), 1, 7), update(2, (1, 7))]);
    // A lost update: revision 2 lies between what it read and what it replaced.
    let between = put(3, (0, 9), 2, 8);
    let lost = refused([put(1, (0, 1), 1, 7), between, update(3, (1, 7))]);
    assert_eq!(lost, "a read sees the state at its revision");
}

#[test]
fn a_phantom_is_refused() {
    let insert = transaction(1, (0, 1), 1, &[("b2", Some(7))], vec![]);
    let scan =
        |found: &[(&str, u64, u64)]| transaction(2, (2, 3), 1, &[], vec![range("b", "c", found)]);
    accepts([insert.clone(), scan(&[("b2", 1, 7)])]);
    let missed = refused([insert.clone(), scan(&[])]);
    assert_eq!(missed, "a read sees the state at its revision");
    let outside = transaction(1, (4, 5), 2, &[("d", Some(7))], vec![]);
    accepts([insert.clone(), scan(&[("b2", 1, 7)]), outside]);
    refused([insert, scan(&[("b2", 1, 7), ("b2", 1, 7)])]);
}

#[test]
fn half_a_transaction_is_refused() {
    let both = transaction(1, (0, 1), 1, &[("a", Some(1)), ("b", Some(1))], vec![]);
    let torn = vec![point("a", Some((1, 1))), point("b", None)];
    refused([both, transaction(2, (2, 3), 1, &[], torn)]);
}

#[test]
fn deletes_are_writes() {
    let delete = transaction(1, (2, 3), 2, &[("a", None)], vec![]);
    accepts([put(1, (0, 1), 1, 7), delete.clone(), get(2, (4, 5), 2, None)]);
    refused([put(1, (0, 1), 1, 7), delete, get(2, (4, 5), 2, Some((1, 7)))]);
}

#[test]
fn what_nobody_wrote_and_what_failed_is_not_seen() {
    assert_eq!(refused([get(2, (0, 1), 1, Some((1, 7)))]), "reads see what was written");
    let failed = with(Outcome::<()>::Failed, put(1, (0, 1), 1, 7));
    let dirty = refused([failed, get(2, (2, 3), 1, Some((1, 7)))]);
    assert_eq!(dirty, "failed transactions leave nothing");
}

#[test]
fn an_unknown_write_is_placed_by_those_who_see_it() {
    let lost = unknown(put(1, (0, 1), 0, 7));
    accepts([lost.clone(), get(2, (2, 3), 0, None)]);
    accepts([lost.clone(), get(2, (2, 3), 1, Some((1, 7))), get(2, (4, 5), 1, Some((1, 7)))]);
    let moved =
        refused([lost.clone(), get(2, (2, 3), 1, Some((1, 7))), get(2, (4, 5), 2, Some((2, 7)))]);
    assert_eq!(moved, "a write has one revision");
    let vanished =
        refused([lost.clone(), get(2, (2, 3), 1, Some((1, 7))), get(2, (4, 5), 1, None)]);
    assert_eq!(vanished, "a read sees the state at its revision");
    let shared = refused([lost, put(2, (2, 3), 1, 8), get(2, (4, 5), 1, Some((1, 7)))]);
    assert_eq!(shared, "every write has its own revision");
    let early = [put(2, (0, 1), 5, 8), unknown(put(1, (2, 3), 0, 7)), get(2, (4, 5), 5, None)];
    let mut early = early.to_vec();
    early[2] = transaction(2, (4, 5), 5, &[], vec![range("a", "b", &[("a", 4, 7)])]);
    assert_eq!(refused(early), "revisions follow real time");
}

#[test]
fn an_unknown_delete_explains_an_absent_key() {
    let delete = unknown(transaction(1, (2, 3), 0, &[("a", None)], vec![]));
    accepts([put(1, (0, 1), 1, 7), delete, get(2, (4, 5), 2, None)]);
    let late = unknown(transaction(1, (6, 7), 0, &[("a", None)], vec![]));
    refused([put(1, (0, 1), 1, 7), late, get(2, (4, 5), 2, None)]);
}

#[test]
fn a_value_that_is_written_twice_names_nobody() {
    let twice = refused([put(1, (0, 1), 1, 7), put(1, (2, 3), 2, 7)]);
    assert_eq!(twice, "well-formed history");
}

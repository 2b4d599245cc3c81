//! What each invariant refuses, beside what it allows.

use super::*;

/// The invariant that the observer found broken.
fn broken(observer: &RaftObserver) -> String {
    observer.check().unwrap_err().invariant
}

/// Three nodes that hold and have applied entries 0 and 1 of node 1's leadership in term 1.
fn settled() -> RaftObserver {
    let observer = RaftObserver::new();
    for id in 1..=3 {
        observer.vote_saved(GROUP, node(id), ballot(1, 1), id == 1);
    }
    observer.leader_seen(GROUP, node(1), ballot(1, 1));
    for (id, at) in [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (3, 1)] {
        observer.appended(GROUP, node(id), entry(1, 1, at), at);
        observer.flushed(GROUP, node(id), index(at));
    }
    for (id, at) in [(1, 0), (2, 0), (1, 1), (3, 0), (2, 1), (3, 1)] {
        observer.applied(GROUP, node(id), entry(1, 1, at), at, at);
    }
    observer.check().unwrap();
    observer
}

#[test]
fn the_first_violation_is_kept_and_names_its_group() {
    let observer = settled();
    observer.clone().state_digest(GROUP, node(1), index(1), 1);
    observer.state_digest(GROUP, node(2), index(1), 2);
    observer.vote_saved(GROUP, node(2), ballot(0, 1), false);
    let violation = observer.check().unwrap_err();
    assert_eq!(violation.invariant, "equal logs make equal states");
    assert!(violation.detail.starts_with("group meta: nodes 1 and 2"), "{violation}");
}

#[test]
fn a_vote_moves_forward_only() {
    let forward = settled();
    forward.vote_saved(GROUP, node(3), ballot(1, 2), false);
    forward.vote_saved(GROUP, node(3), ballot(1, 2), true);
    forward.vote_saved(GROUP, node(3), ballot(2, 1), false);
    forward.check().unwrap();
    for (earlier, granted) in [(ballot(1, 3), false), (ballot(1, 1), true), (ballot(2, 1), false)] {
        let observer = settled();
        observer.vote_saved(GROUP, node(3), ballot(2, 1), true);
        observer.restarted(node(3));
        observer.vote_saved(GROUP, node(3), earlier, granted);
        assert_eq!(broken(&observer), "votes never go back");
    }
}

#[test]
fn two_nodes_do_not_lead_with_one_ballot() {
    let observer = settled();
    observer.leader_seen(GROUP, node(2), ballot(1, 1));
    assert_eq!(broken(&observer), "election safety");
    let observer = settled();
    observer.leader_seen(GROUP, node(2), ballot(2, 3));
    assert_eq!(broken(&observer), "election safety");
}

#[test]
fn a_leader_holds_what_was_committed_before_it() {
    let complete = settled();
    complete.vote_saved(GROUP, node(2), ballot(2, 2), false);
    complete.leader_seen(GROUP, node(2), ballot(2, 2));
    complete.check().unwrap();

    let observer = settled();
    observer.vote_saved(GROUP, node(4), ballot(2, 4), false);
    observer.leader_seen(GROUP, node(4), ballot(2, 4));
    assert_eq!(broken(&observer), "leader completeness");

    let observer = settled();
    observer.appended(GROUP, node(4), entry(1, 1, 0), 0);
    observer.appended(GROUP, node(4), entry(1, 5, 1), 9);
    observer.vote_saved(GROUP, node(4), ballot(2, 4), false);
    observer.leader_seen(GROUP, node(4), ballot(2, 4));
    assert_eq!(broken(&observer), "leader completeness");
}

#[test]
fn a_snapshot_stands_for_the_entries_that_it_covers() {
    let observer = settled();
    observer.snapshot_installed(GROUP, node(4), entry(1, 1, 1));
    observer.purged(GROUP, node(4), index(1));
    observer.vote_saved(GROUP, node(4), ballot(2, 4), false);
    observer.leader_seen(GROUP, node(4), ballot(2, 4));
    observer.appended(GROUP, node(4), entry(2, 4, 2), 7);
    observer.appended(GROUP, node(1), entry(2, 4, 2), 7);
    observer.applied(GROUP, node(4), entry(2, 4, 2), 7, 7);
    observer.check().unwrap();
}

#[test]
fn a_late_report_of_a_lost_leadership_is_no_violation() {
    let observer = settled();
    observer.vote_saved(GROUP, node(4), ballot(1, 4), false);
    observer.vote_saved(GROUP, node(4), ballot(3, 2), false);
    observer.leader_seen(GROUP, node(4), ballot(1, 4));
    observer.appended(GROUP, node(4), entry(1, 4, 0), 9);
    observer.truncated(GROUP, node(4), index(0));
    observer.check().unwrap();
}

#[test]
fn entries_of_one_name_have_one_content_and_one_past() {
    let observer = settled();
    observer.appended(GROUP, node(4), entry(1, 1, 0), 8);
    assert_eq!(broken(&observer), "log matching");

    let observer = settled();
    observer.appended(GROUP, node(4), entry(1, 0, 0), 9);
    observer.appended(GROUP, node(4), entry(1, 1, 1), 1);
    let violation = observer.check().unwrap_err();
    assert_eq!(violation.invariant, "log matching");
    assert!(violation.detail.contains("different entries before it"), "{violation}");
}

#[test]
fn a_log_that_starts_at_a_snapshot_is_matched_too() {
    let observer = settled();
    observer.appended(GROUP, node(1), entry(1, 1, 2), 2);
    observer.appended(GROUP, node(1), entry(1, 1, 3), 3);
    observer.snapshot_installed(GROUP, node(4), entry(1, 1, 1));
    observer.appended(GROUP, node(4), entry(1, 0, 2), 9);
    observer.check().unwrap();
    observer.appended(GROUP, node(4), entry(1, 1, 3), 3);
    assert_eq!(broken(&observer), "log matching");
}

#[test]
fn ballots_do_not_decrease_along_a_log() {
    let observer = settled();
    observer.appended(GROUP, node(2), entry(3, 3, 2), 2);
    observer.appended(GROUP, node(2), entry(2, 2, 3), 3);
    assert_eq!(broken(&observer), "ballots never decrease in a log");
}

#[test]
fn a_leader_drops_nothing_of_its_own_log() {
    let observer = settled();
    observer.appended(GROUP, node(1), entry(1, 1, 2), 2);
    observer.truncated(GROUP, node(1), index(2));
    assert_eq!(broken(&observer), "leader append-only");

    let overwriting = settled();
    overwriting.appended(GROUP, node(1), entry(1, 1, 2), 2);
    overwriting.appended(GROUP, node(1), entry(1, 0, 2), 2);
    assert_eq!(broken(&overwriting), "leader append-only");

    let deposed = settled();
    deposed.appended(GROUP, node(1), entry(1, 1, 2), 2);
    deposed.vote_saved(GROUP, node(1), ballot(2, 2), false);
    deposed.truncated(GROUP, node(1), index(2));
    deposed.check().unwrap();
}

#[test]
fn a_node_keeps_what_it_has_applied() {
    let observer = settled();
    observer.restarted(node(2));
    observer.truncated(GROUP, node(2), index(1));
    assert_eq!(broken(&observer), "committed entries stay");
    let observer = settled();
    observer.appended(GROUP, node(2), entry(2, 2, 1), 1);
    assert_eq!(broken(&observer), "committed entries stay");
}

#[test]
fn a_log_keeps_what_it_said_is_durable() {
    let tail = settled();
    tail.appended(GROUP, node(2), entry(1, 1, 2), 2);
    tail.restarted(node(2));
    tail.log_opened(GROUP, node(2), Some(index(1)));
    tail.check().unwrap();

    let lost = settled();
    lost.restarted(node(2));
    lost.log_opened(GROUP, node(2), Some(index(0)));
    assert_eq!(broken(&lost), "a log keeps what is durable");

    let wiped = settled();
    wiped.wiped(node(2));
    wiped.log_opened(GROUP, node(2), None);
    wiped.vote_saved(GROUP, node(2), ballot(0, 2), false);
    wiped.applied(GROUP, node(2), entry(1, 1, 0), 0, 0);
    wiped.check().unwrap();

    let purged = settled();
    purged.purged(GROUP, node(2), index(1));
    purged.log_opened(GROUP, node(2), None);
    purged.check().unwrap();

    let truncated = settled();
    truncated.appended(GROUP, node(2), entry(1, 1, 2), 2);
    truncated.truncated(GROUP, node(2), index(2));
    truncated.flushed(GROUP, node(2), index(2));
    truncated.log_opened(GROUP, node(2), Some(index(1)));
    truncated.check().unwrap();
}

#[test]
fn every_node_applies_the_same() {
    for (id, payload, replies) in
        [(entry(2, 2, 1), 1, 1), (entry(1, 1, 1), 9, 1), (entry(1, 1, 1), 1, 9)]
    {
        let observer = settled();
        observer.applied(GROUP, node(4), entry(1, 1, 0), 0, 0);
        observer.check().unwrap();
        observer.applied(GROUP, node(4), id, payload, replies);
        assert_eq!(broken(&observer), "state machine safety");
    }
    let observer = settled();
    observer.snapshot_installed(GROUP, node(4), entry(2, 2, 1));
    assert_eq!(broken(&observer), "state machine safety");
}

#[test]
fn a_node_applies_what_its_log_holds() {
    let observer = settled();
    observer.appended(GROUP, node(2), entry(1, 1, 2), 2);
    observer.applied(GROUP, node(2), entry(2, 2, 2), 2, 2);
    assert_eq!(broken(&observer), "nodes apply what their logs hold");
}

#[test]
fn entries_are_applied_once_and_none_is_left_out() {
    for at in [1, 3] {
        let observer = settled();
        observer.applied(GROUP, node(2), entry(1, 1, at), at, at);
        assert_eq!(broken(&observer), "entries are applied in order");
    }
    let replay = settled();
    replay.restarted(node(2));
    replay.applied(GROUP, node(2), entry(1, 1, 1), 1, 1);
    replay.applied(GROUP, node(2), entry(1, 1, 2), 2, 2);
    replay.check().unwrap();
    replay.restarted(node(2));
    replay.applied(GROUP, node(2), entry(1, 1, 4), 4, 4);
    assert_eq!(broken(&replay), "entries are applied in order");

    let back = settled();
    back.snapshot_installed(GROUP, node(2), entry(1, 1, 0));
    assert_eq!(broken(&back), "entries are applied in order");

    let late = RaftObserver::new();
    late.applied(GROUP, node(2), entry(1, 1, 1), 1, 1);
    assert_eq!(broken(&late), "entries are applied in order");
}

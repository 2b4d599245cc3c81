//! Each promise can be seen broken, and a correct Raft breaks none.

mod model;

use aspen_core::{GroupId, NodeId};

use super::{Applied, Found, LogId, Oracle, Replica, Vote};

const A: Replica = Replica { node: NodeId::new(1), group: GroupId::META };
const B: Replica = Replica { node: NodeId::new(2), group: GroupId::META };

fn id(term: u64, leader: u64, index: u64) -> LogId {
    LogId { term, leader, index }
}

fn applied(id: LogId, answers: u64) -> Applied {
    Applied { id, digest: 0, answers }
}

fn broken(oracle: &Oracle) -> Option<String> {
    oracle.verdict.borrow().clone().map(|violation| violation.invariant)
}

/// What is found broken after these events.
fn after(events: impl FnOnce(&Oracle)) -> Option<String> {
    let oracle = Oracle::new();
    events(&oracle);
    broken(&oracle)
}

fn candidacy(replica: Replica, term: u64, granted: bool) -> Vote {
    Vote { term, candidate: replica.node.get(), granted }
}

/// What the elections of [`is_broken`] leave in A's vote.
const VOTE_OF_A: Vote = Vote { term: 2, candidate: 1, granted: false };

/// Both have stood for leader in the first two terms; nobody leads now.
fn hold_elections(oracle: &Oracle) {
    for (replica, term) in [(A, 1), (B, 1), (A, 2), (B, 2)] {
        oracle.voted(replica, candidacy(replica, term, false));
    }
}

fn is_broken(promise: &str, events: impl FnOnce(&Oracle)) {
    let found = after(|oracle| {
        hold_elections(oracle);
        events(oracle);
    });
    assert_eq!(found.as_deref(), Some(promise));
}

#[test]
fn an_ordinary_life_breaks_nothing() {
    let found = after(|oracle| {
        for replica in [A, B] {
            oracle.voted(replica, Vote { term: 1, candidate: 1, granted: true });
            oracle.appended(replica, &[(id(1, 1, 0), 7), (id(1, 1, 1), 8)]);
            oracle.applied(replica, &[applied(id(1, 1, 0), 1)]);
        }
        oracle.truncates(B, 1);
        oracle.truncated(B);
        oracle.voted(B, candidacy(B, 2, true));
        oracle.appended(B, &[(id(2, 2, 1), 9)]);
        oracle.applied(B, &[applied(id(2, 2, 1), 2)]);
        oracle.flushed(B, Some(id(1, 1, 0)));
        oracle.purges(B, id(1, 1, 0), Some(0));
        let entries = vec![(id(2, 2, 1), 9)];
        oracle.log_opened(B, &Found { purged: Some(id(1, 1, 0)), entries }, None);
    });
    // All but the vote, which the restart lost.
    assert_eq!(found.as_deref(), Some("a vote is never taken back"));
}

#[test]
fn votes_do_not_shrink() {
    is_broken("a vote is never taken back", |oracle| {
        oracle.voted(A, Vote { term: 2, candidate: 1, granted: false });
        oracle.voted(A, Vote { term: 1, candidate: 3, granted: true });
    });
}

#[test]
fn one_position_has_one_content_and_one_past() {
    is_broken("logs match", |oracle| {
        oracle.appended(A, &[(id(1, 1, 0), 7)]);
        oracle.appended(B, &[(id(1, 1, 0), 8)]);
    });
    is_broken("logs match", |oracle| {
        oracle.appended(A, &[(id(1, 1, 0), 7), (id(2, 1, 1), 8)]);
        oracle.appended(B, &[(id(1, 2, 0), 9), (id(2, 1, 1), 8)]);
    });
}

#[test]
fn a_durable_entry_is_found_again() {
    is_broken("a durable entry stays", |oracle| {
        oracle.appended(A, &[(id(1, 1, 0), 7)]);
        oracle.log_opened(A, &Found::default(), Some(VOTE_OF_A));
    });
    let truncating = after(|oracle| {
        hold_elections(oracle);
        oracle.appended(A, &[(id(1, 1, 0), 7)]);
        oracle.truncates(A, 0);
        oracle.log_opened(A, &Found::default(), Some(VOTE_OF_A));
    });
    assert_eq!(truncating, None);
}

#[test]
fn the_log_goes_before_the_state() {
    is_broken("the log is durable before the state", |oracle| {
        oracle.applied(A, &[applied(id(1, 1, 0), 1)]);
    });
}

#[test]
fn the_state_goes_before_the_purge() {
    is_broken("the durable state covers what the log forgets", |oracle| {
        oracle.appended(A, &[(id(1, 1, 0), 7)]);
        oracle.purges(A, id(1, 1, 0), None);
    });
}

#[test]
fn committed_entries_and_their_answers_are_the_same_everywhere() {
    let both = |first: Applied, second: Applied| {
        move |oracle: &Oracle| {
            oracle.appended(A, &[(first.id, 7)]);
            oracle.appended(B, &[(second.id, 7)]);
            oracle.applied(A, &[first]);
            oracle.applied(B, &[second]);
        }
    };
    let first = applied(id(1, 1, 0), 1);
    is_broken("what is committed never changes", both(first, applied(id(2, 2, 0), 1)));
    is_broken("replicas answer alike", both(first, applied(id(1, 1, 0), 2)));
}

#[test]
fn nothing_committed_is_truncated() {
    is_broken("what is committed never changes", |oracle| {
        oracle.appended(A, &[(id(1, 1, 0), 7)]);
        oracle.applied(A, &[applied(id(1, 1, 0), 1)]);
        oracle.truncates(A, 0);
    });
}

#[test]
fn a_leader_lacks_nothing_that_is_committed() {
    is_broken("a leader has all that is committed", |oracle| {
        oracle.appended(A, &[(id(1, 1, 0), 7)]);
        oracle.applied(A, &[applied(id(1, 1, 0), 1)]);
        oracle.appended(B, &[(id(2, 2, 0), 8)]);
    });
}

#[test]
fn a_state_opens_where_it_was_flushed_and_where_its_log_goes_on() {
    is_broken("a flushed state stays", |oracle| {
        oracle.flushed(A, Some(id(1, 1, 5)));
        oracle.state_opened(A, Some(id(1, 1, 4)));
    });
    is_broken("the log goes on where the state ends", |oracle| {
        let found = Found { purged: Some(id(1, 1, 5)), entries: vec![] };
        oracle.log_opened(A, &found, Some(VOTE_OF_A));
        oracle.state_opened(A, Some(id(1, 1, 4)));
    });
}

#[test]
fn a_leader_has_voted_for_itself() {
    is_broken("a leader has voted for itself", |oracle| {
        oracle.appended(A, &[(id(3, 2, 0), 7)]);
    });
}

#[test]
fn a_leader_only_adds() {
    is_broken("a leader only adds to its log", |oracle| {
        oracle.voted(A, candidacy(A, 3, true));
        oracle.appended(A, &[(id(3, 1, 0), 7)]);
        oracle.truncates(A, 0);
    });
}

#[test]
fn states_are_equal_at_equal_revisions() {
    is_broken("replicas hold the same at the same revision", |oracle| {
        oracle.held(A, 7, 1);
        oracle.held(B, 8, 2);
        oracle.held(B, 7, 2);
    });
}

#[test]
fn what_is_answered_is_durable() {
    is_broken("what is answered is durable", |oracle| {
        oracle.append_begins(A);
        let begun = oracle.appends_begun(A);
        oracle.append_begins(A);
        oracle.append_ends(A);
        oracle.answers(A, begun);
        assert_eq!(broken(oracle), None);
        oracle.answers(A, oracle.appends_begun(A));
    });
}

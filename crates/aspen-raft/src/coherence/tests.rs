#![allow(clippy::unwrap_used, clippy::panic)]
use openraft::EntryPayload;

use super::*;
use crate::types::RaftEntry;

fn vote(term: u64, node_id: u64, committed: bool) -> Vote {
    Vote { leader_id: LeaderId { term, node_id }, committed }
}

fn id(term: u64, index: u64) -> LogId {
    LogId { leader_id: LeaderId { term, node_id: 2 }, index }
}

/// A blank append of node 2, which leads in term 3.
fn append(previous: Option<LogId>, entries: &[LogId], commit: Option<LogId>) -> AppendRequest {
    let entry = |log_id: &LogId| RaftEntry { log_id: *log_id, payload: EntryPayload::Blank };
    AppendRequest {
        vote: vote(3, 2, true),
        prev_log_id: previous,
        entries: entries.iter().map(entry).collect(),
        leader_commit: commit,
    }
}

fn says(checked: Checked, problem: &str) {
    let error = checked.unwrap_err();
    assert!(error.0.contains(problem), "{error}");
}

#[test]
fn what_a_leader_sends_is_taken() {
    check_append(&append(None, &[], None)).unwrap();
    check_append(&append(None, &[id(1, 0), id(1, 1), id(3, 2)], Some(id(1, 1)))).unwrap();
    check_append(&append(Some(id(1, 4)), &[id(2, 5)], Some(id(3, 9)))).unwrap();
    check_append(&append(Some(id(2, 4)), &[], Some(id(1, 3)))).unwrap();
}

#[test]
fn entries_that_do_not_follow_each_other_are_refused() {
    says(check_append(&append(None, &[id(1, 1)], None)), "does not follow");
    says(check_append(&append(None, &[id(1, 0), id(1, 2)], None)), "does not follow");
    says(check_append(&append(None, &[id(2, 0), id(1, 1)], None)), "does not follow");
    says(check_append(&append(Some(id(1, 4)), &[id(1, 4)], None)), "does not follow");
    says(check_append(&append(Some(id(2, 4)), &[id(1, 5)], None)), "does not follow");
    says(check_append(&append(Some(id(1, u64::MAX)), &[id(1, 0)], None)), "does not follow");
    says(check_append(&append(Some(id(1, u64::MAX)), &[], None)), "LOG_INDEX_MAX");
}

#[test]
fn entries_and_commits_of_later_leaders_or_other_logs_are_refused() {
    says(check_append(&append(None, &[id(4, 0)], None)), "a leader after");
    says(check_append(&append(None, &[], Some(id(4, 0)))), "a leader after");
    says(check_append(&append(None, &[id(1, 0)], Some(id(2, 0)))), "of another log");
    says(check_append(&append(Some(id(2, 4)), &[], Some(id(1, 5)))), "of another log");
    let uncommitted = AppendRequest { vote: vote(3, 2, false), ..append(None, &[], None) };
    says(check_append(&uncommitted), "of a candidate");
}

#[test]
fn what_is_committed_is_not_contradicted() {
    let known = Known { vote: vote(3, 2, true), committed: Some(id(2, 5)) };
    check_committed(&append(Some(id(2, 5)), &[id(3, 6)], None), known).unwrap();
    check_committed(&append(Some(id(1, 3)), &[id(2, 4)], None), known).unwrap();
    says(check_committed(&append(Some(id(3, 5)), &[], None), known), "what is committed");
    says(check_committed(&append(Some(id(1, 6)), &[], None), known), "what is committed");
    // A leader of the past is told so by its vote, whatever it sends.
    let newer = Known { vote: vote(4, 1, true), ..known };
    check_committed(&append(Some(id(3, 5)), &[], None), newer).unwrap();
}

#[test]
fn a_node_speaks_for_itself() {
    let (two, one) = (NodeId::new(2), NodeId::new(1));
    check_speaker(&vote(3, 2, true), two, one).unwrap();
    says(check_speaker(&vote(3, 3, true), two, one), "speaks for");
    says(check_speaker(&vote(3, 1, true), two, one), "speaks for");
    says(check_speaker(&vote(3, 1, true), one, one), "its receiver");
    says(check_speaker(&vote(u64::MAX, 2, true), two, one), "TERM_MAX");
    check_candidate(&vote(3, 2, false), Some(id(2, 9))).unwrap();
    says(check_candidate(&vote(3, 2, true), None), "granted already");
    says(check_candidate(&vote(3, 2, false), Some(id(4, 9))), "a leader after");
}

#[test]
fn answers_are_about_what_was_sent() {
    let (sent, range) = (vote(3, 2, true), (Some(id(1, 4)), Some(id(3, 7))));
    let check = |response| check_answer(&response, &sent, range);
    check(AppendResponse::PartialSuccess(Some(id(1, 4)))).unwrap();
    check(AppendResponse::Conflict).unwrap();
    check(AppendResponse::HigherVote(vote(4, 1, false))).unwrap();
    says(check(AppendResponse::PartialSuccess(Some(id(3, 8)))), "not sent");
    says(check(AppendResponse::PartialSuccess(None)), "not sent");
    says(check(AppendResponse::HigherVote(vote(9, 2, true))), "a vote of mine");
    let conflict = check_answer(&AppendResponse::Conflict, &sent, (None, None));
    says(conflict, "the log's beginning");
}

//! Whether a peer's message can come from a replica that keeps the protocol.
//!
//! The consensus library takes what contradicts itself for impossible and asserts that it never
//! comes, so that one faulty member could stop every other. Such a message is refused here, before
//! the library sees it, as one that does not decode. What a message says is checked against itself,
//! against who sent it, and against what this replica knows to be committed. A member that lies
//! without contradicting any of these can still do harm: Raft trusts its members.

use std::cmp::Ordering;

use aspen_core::NodeId;

use crate::types::{AppendRequest, AppendResponse, LeaderId, LogId, SnapshotMeta, Vote};
use crate::wire::Malformed;

/// The largest term in a message. Terms grow by one an election, so that none gets near it; a
/// larger one would leave no room to count on.
const TERM_MAX: u64 = 1 << 62;

/// The largest log index in a message: a million entries a second reach it in 146,000 years.
const LOG_INDEX_MAX: u64 = 1 << 62;

type Checked = Result<(), Malformed>;

/// A node speaks for itself only, and never to itself.
pub(crate) fn check_speaker(vote: &Vote, from: NodeId, me: NodeId) -> Checked {
    let (term, node) = (vote.leader_id.term, NodeId::new(vote.leader_id.node_id));
    ensure(term <= TERM_MAX, || format!("term {term} is beyond TERM_MAX"))?;
    ensure(node == from, || format!("{from} speaks for {node}"))?;
    ensure(node != me, || "it comes from its receiver".to_owned())
}

/// Entries and a commit that one log can hold, sent under a vote that a quorum granted.
pub(crate) fn check_append(request: &AppendRequest) -> Checked {
    let AppendRequest { vote, prev_log_id: previous, leader_commit, entries } = request;
    ensure(vote.committed, || "entries of a candidate".to_owned())?;
    let mut last = *previous;
    for entry in entries {
        ensure(follows(entry.log_id, last), || format!("{} does not follow", entry.log_id))?;
        last = Some(entry.log_id);
    }
    check_log_id(last, vote)?;
    check_log_id(*leader_commit, vote)?;
    let committed = *leader_commit;
    let of_the_log = entries.iter().map(|entry| entry.log_id).chain(*previous);
    ensure(agree_all(committed, of_the_log), || "the commit is of another log".to_owned())
}

/// What the leader says of its log against what this replica knows to be committed. Nothing is said
/// of a leader before the committed one, which may not hold it: its vote is refused later.
pub(crate) fn check_committed(request: &AppendRequest, known: Known) -> Checked {
    if request.vote < known.vote {
        return Ok(());
    }
    let last = request.entries.last().map(|entry| entry.log_id);
    let of_the_log = [request.prev_log_id, last].into_iter().flatten();
    let agrees = agree_all(known.committed_under(&request.vote), of_the_log);
    ensure(agrees, || "it contradicts what is committed".to_owned())
}

/// A snapshot that the leader of this vote can have.
pub(crate) fn check_snapshot(vote: &Vote, meta: &SnapshotMeta, known: Known) -> Checked {
    ensure(vote.committed, || "a snapshot of a candidate".to_owned())?;
    check_log_id(meta.last_log_id, vote)?;
    let membership = meta.last_membership.log_id();
    let covered = *membership <= meta.last_log_id
        && membership.map(|id| id.index) <= meta.last_log_id.map(|id| id.index);
    ensure(covered, || "a snapshot's membership is from beyond it".to_owned())?;
    if *vote < known.vote {
        return Ok(());
    }
    let agrees = agree_all(known.committed_under(vote), meta.last_log_id);
    ensure(agrees, || "a snapshot contradicts what is committed".to_owned())
}

/// A candidate's question: it asks for a vote that is not granted yet, and has no entries of later
/// leaders.
pub(crate) fn check_candidate(vote: &Vote, last_log: Option<LogId>) -> Checked {
    ensure(!vote.committed, || "a candidate whose vote is granted already".to_owned())?;
    check_log_id(last_log, vote)
}

/// A vote that a peer answers with: any other node's, or mine up to the one I sent.
pub(crate) fn check_answered_vote(answered: &Vote, sent: &Vote) -> Checked {
    let LeaderId { term, node_id } = answered.leader_id;
    ensure(term <= TERM_MAX, || format!("term {term} is beyond TERM_MAX"))?;
    let knows_better = node_id == sent.leader_id.node_id && answered.leader_id > sent.leader_id;
    ensure(!knows_better, || format!("it answers with a vote of mine, of term {term}"))
}

/// An answer to an append that was about the entries in `(previous, last]`.
pub(crate) fn check_answer(
    response: &AppendResponse,
    vote: &Vote,
    (previous, last): (Option<LogId>, Option<LogId>),
) -> Checked {
    match response {
        AppendResponse::Success => Ok(()),
        AppendResponse::PartialSuccess(upto) => {
            ensure(previous <= *upto && *upto <= last, || "it has what was not sent".to_owned())
        }
        AppendResponse::Conflict => {
            ensure(previous.is_some(), || "a conflict with the log's beginning".to_owned())
        }
        AppendResponse::HigherVote(answered) => check_answered_vote(answered, vote),
    }
}

/// What this replica knows for certain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) vote: Vote,
    pub(crate) committed: Option<LogId>,
}

impl Known {
    /// What the leader of a vote must hold.
    fn committed_under(&self, vote: &Vote) -> Option<LogId> {
        self.committed.filter(|committed| committed.leader_id <= vote.leader_id)
    }
}

/// No entry is of a later leader than the one that sends it.
fn check_log_id(id: Option<LogId>, vote: &Vote) -> Checked {
    let Some(id) = id else { return Ok(()) };
    ensure(id.index <= LOG_INDEX_MAX, || format!("{id} is beyond LOG_INDEX_MAX"))?;
    ensure(id.leader_id <= vote.leader_id, || format!("{id} is of a leader after {vote}"))
}

/// Whether an entry can come right after another, or at the log's beginning.
fn follows(id: LogId, previous: Option<LogId>) -> bool {
    let index = previous.map_or(Some(0), |previous| previous.index.checked_add(1));
    Some(id.index) == index && previous.is_none_or(|previous| previous.leader_id <= id.leader_id)
}

/// Whether one log can hold `id` and each of the others: later entries are of the same leader or a
/// later one, and one place holds one entry.
fn agree_all(id: Option<LogId>, others: impl IntoIterator<Item = LogId>) -> bool {
    let agrees = |other: LogId| {
        id.is_none_or(|id| match id.index.cmp(&other.index) {
            Ordering::Less => id.leader_id <= other.leader_id,
            Ordering::Equal => id.leader_id == other.leader_id,
            Ordering::Greater => id.leader_id >= other.leader_id,
        })
    };
    others.into_iter().all(agrees)
}

fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Malformed(problem())) }
}

#[cfg(test)]
mod tests;

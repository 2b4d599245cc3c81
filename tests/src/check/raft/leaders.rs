//! Invariants of leaders.
//!
//! * *Election Safety* (Raft, Figure 3): at most one leader for a ballot, and it is the ballot's
//!   candidate.
//! * *Leader Completeness* (Figure 3): what was committed under a ballot is in the logs of the
//!   leaders of all greater ballots. An entry that some node applied before any node had voted for
//!   `ballot` or a greater one was committed under a lesser one, so the leader of `ballot` holds
//!   it. (An entry applied later may have been committed by a later leader: it need not be there.)

use std::collections::BTreeMap;

use aspen_core::{LogIndex, NodeId};

use super::{Ballot, EntryId};
use crate::check::Violation;

/// Who leads and led.
#[derive(Debug, Default)]
pub(super) struct Leaders {
    elected: BTreeMap<Ballot, NodeId>,
    /// The ballots that nodes lead with now, as far as is known.
    leading: BTreeMap<NodeId, Ballot>,
    /// The last committed entry, if any, when the first vote for each ballot was saved.
    committed_at_vote: BTreeMap<Ballot, Option<EntryId>>,
}

impl Leaders {
    /// A node has voted; whatever it led with a lesser ballot it leads no more.
    pub(super) fn voted(&mut self, node: NodeId, ballot: Ballot, committed: Option<EntryId>) {
        self.committed_at_vote.entry(ballot).or_insert(committed);
        if self.leading.get(&node).is_some_and(|leading| *leading < ballot) {
            self.leading.remove(&node);
        }
    }

    pub(super) fn seen(
        &mut self,
        node: NodeId,
        ballot: Ballot,
        voted: Option<Ballot>,
    ) -> Result<(), Violation> {
        let first = *self.elected.entry(ballot).or_insert(node);
        if first != node || ballot.candidate != node {
            let detail = match first == node {
                true => format!("node {node} leads with {ballot}"),
                false => format!("nodes {first} and {node} both lead with {ballot}"),
            };
            return Err(Violation::new("election safety", detail));
        }
        if voted.is_none_or(|voted| voted <= ballot) {
            self.leading.insert(node, ballot);
        }
        Ok(())
    }

    /// The last entry that the leader of a ballot must hold.
    pub(super) fn must_hold(&self, ballot: Ballot) -> Option<EntryId> {
        let votes = self.committed_at_vote.range(ballot..).map(|(_, committed)| *committed);
        votes.min_by_key(|committed| committed.map(|entry| entry.index)).flatten()
    }

    /// What a node leads with now.
    pub(super) fn leading(&self, node: NodeId) -> Option<Ballot> {
        self.leading.get(&node).copied()
    }

    /// A stopped node leads nobody.
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.leading.remove(&node);
    }
}

/// The violation of a leader that lacks a committed entry.
pub(super) fn incomplete(
    node: NodeId,
    ballot: Ballot,
    committed: EntryId,
    held: Option<EntryId>,
    last: Option<LogIndex>,
) -> Violation {
    let held = match (held, last) {
        (Some(held), _) => format!("holds {held} in its place"),
        (None, Some(last)) => format!("its log ends at {last}"),
        (None, None) => "its log is empty".to_owned(),
    };
    let detail = format!(
        "node {node} leads with {ballot}, but lacks {committed}, which was committed before: {held}"
    );
    Violation::new("leader completeness", detail)
}

//! Each invariant is broken once, and a model of Raft breaks none.

mod broken;
mod model;

use super::*;
use aspen_core::Term;

const GROUP: GroupId = GroupId::META;

fn node(id: u64) -> NodeId {
    NodeId::new(id)
}

fn index(index: u64) -> LogIndex {
    LogIndex::new(index)
}

fn ballot(term: u64, candidate: u64) -> Ballot {
    Ballot { term: Term::new(term), candidate: node(candidate) }
}

/// The entry of a leader's ballot at an index.
fn entry(term: u64, leader: u64, at: u64) -> EntryId {
    EntryId { ballot: ballot(term, leader), index: index(at) }
}

//! What entries and votes are named by.

use std::fmt;

use aspen_core::{LogIndex, NodeId, Term};

/// What a node votes for and a leader leads with. The paper's term is this pair: consensus here
/// lets a later candidate of the same term win too, and orders the two by node. So what the paper
/// says of terms holds of ballots, and a term alone may have several leaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// The term; decides the order.
    pub term: Term,
    /// The candidate; decides it within a term.
    pub candidate: NodeId,
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "term {} of node {}", self.term, self.candidate)
    }
}

/// Names an entry: the leader that created it, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// The ballot of the leader that created it.
    pub ballot: Ballot,
    /// Its place in the log.
    pub index: LogIndex,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} ({})", self.index, self.ballot)
    }
}

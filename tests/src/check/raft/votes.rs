//! Invariant: a node's durable vote never goes back, not even across a restart.
//!
//! Source: Raft, section 5.2: a server votes at most once in a term and keeps `votedFor` on stable
//! storage. With ordered ballots: it may move to a greater ballot of the same term, and a vote that
//! a quorum has granted stays granted. A node that forgets its vote can help elect two leaders.

use std::collections::BTreeMap;

use aspen_core::NodeId;

use super::Ballot;
use crate::check::Violation;

/// The last vote that each node saved.
#[derive(Debug, Default)]
pub(super) struct Votes(BTreeMap<NodeId, (Ballot, bool)>);

impl Votes {
    pub(super) fn saved(
        &mut self,
        node: NodeId,
        ballot: Ballot,
        granted: bool,
    ) -> Result<(), Violation> {
        let before = self.0.insert(node, (ballot, granted));
        match before {
            Some(before) if before > (ballot, granted) => {
                let name = |granted| if granted { "granted" } else { "asked for" };
                let (from, to) = (name(before.1), name(granted));
                let detail = format!(
                    "node {node} had saved its vote for {} ({from}) and then saved {ballot} ({to})",
                    before.0
                );
                Err(Violation::new("votes never go back", detail))
            }
            _ => Ok(()),
        }
    }

    /// The ballot that a node last voted for.
    pub(super) fn ballot(&self, node: NodeId) -> Option<Ballot> {
        self.0.get(&node).map(|(ballot, _)| *ballot)
    }

    pub(super) fn wiped(&mut self, node: NodeId) {
        self.0.remove(&node);
    }
}

//! What a group's leader does next so that its members become what the registry wishes.
//!
//! One step at a time: a group that changes by one member keeps a common majority between before
//! and after, and a step that fails leaves nothing half done.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use aspen_core::{GroupMetrics, NodeId, NodeRecord};

use crate::registry::Registry;

/// How many entries a learner may lack and still be made a voter. More makes voters that hold
/// commits up while they catch up; less may wait for ever under load.
const PROMOTION_LAG_ENTRIES_MAX: u64 = 1_000;

/// A step towards the wished members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Hand leadership to another voter, since this node is to stop voting.
    HandOver(NodeId),
    /// Take out a node that was removed from the cluster.
    Remove(NodeId),
    /// Send the log to a new node.
    AddLearner(NodeRecord),
    /// Make exactly these the voters: one more or one fewer than now.
    SetVoters {
        /// The node that the step is about.
        subject: NodeId,
        /// All voters.
        voters: BTreeSet<NodeId>,
    },
}

impl Step {
    /// The node that the step is about.
    pub(crate) fn subject(&self) -> NodeId {
        match self {
            Self::HandOver(node) | Self::Remove(node) => *node,
            Self::AddLearner(record) => record.id,
            Self::SetVoters { subject, .. } => *subject,
        }
    }
}

/// What a leader knows when it decides.
pub(crate) struct Situation<'a> {
    /// The wish.
    pub(crate) registry: &'a Registry,
    /// The group as this node, its leader, sees it.
    pub(crate) metrics: &'a GroupMetrics,
    /// The nodes that answer.
    pub(crate) online: &'a BTreeSet<NodeId>,
    /// The nodes whose last step failed a moment ago: others come first.
    pub(crate) avoid: &'a BTreeSet<NodeId>,
}

impl Situation<'_> {
    /// The next step; `None` when the members are as wished, or nothing can be done now.
    pub(crate) fn next_step(&self) -> Option<Step> {
        self.remove().or_else(|| self.add()).or_else(|| self.promote()).or_else(|| self.demote())
    }

    fn remove(&self) -> Option<Step> {
        let members = self.metrics.voters.iter().chain(&self.metrics.learners).copied();
        let mut gone = members.filter(|node| self.registry.removed.contains_key(node));
        gone.find(|node| self.may_try(*node)).and_then(|node| match node == self.metrics.node {
            true => self.hand_over(),
            false => Some(Step::Remove(node)),
        })
    }

    fn add(&self) -> Option<Step> {
        let mut missing = self.registry.nodes.values().filter(|record| !self.is_member(record.id));
        missing.find(|record| self.may_try(record.id)).cloned().map(Step::AddLearner)
    }

    fn promote(&self) -> Option<Step> {
        let wished = self.registry.voters();
        let mut ready = self.metrics.learners.iter().copied().filter(|node| {
            wished.contains(node) && self.may_try(*node) && self.has_caught_up(*node)
        });
        let subject = ready.next()?;
        let voters = self.voters().into_iter().chain([subject]).collect();
        Some(Step::SetVoters { subject, voters })
    }

    fn demote(&self) -> Option<Step> {
        let wished = self.registry.voters();
        // A new voter must be there before an old one goes, or the group has none for a while.
        if self.voters().is_disjoint(&wished) {
            return None;
        }
        let mut surplus = self.metrics.voters.iter().copied().filter(|node| {
            self.registry.nodes.contains_key(node) && !wished.contains(node) && self.may_try(*node)
        });
        let subject = surplus.next()?;
        if subject == self.metrics.node {
            return self.hand_over();
        }
        let voters = self.voters().into_iter().filter(|node| *node != subject).collect();
        Some(Step::SetVoters { subject, voters })
    }

    /// To an online voter that is to stay one.
    fn hand_over(&self) -> Option<Step> {
        let wished = self.registry.voters();
        let stays = |node: &NodeId| wished.contains(node) && self.online.contains(node);
        let mut voters = self.metrics.voters.iter().copied();
        voters.find(|node| *node != self.metrics.node && stays(node)).map(Step::HandOver)
    }

    fn voters(&self) -> BTreeSet<NodeId> {
        self.metrics.voters.iter().copied().collect()
    }

    fn is_member(&self, node: NodeId) -> bool {
        self.metrics.voters.contains(&node) || self.metrics.learners.contains(&node)
    }

    fn may_try(&self, node: NodeId) -> bool {
        !self.avoid.contains(&node)
    }

    fn has_caught_up(&self, node: NodeId) -> bool {
        self.online.contains(&node)
            && self.metrics.replication.get(&node).is_some_and(|progress| {
                progress.matched.is_some() && progress.lag_entries <= PROMOTION_LAG_ENTRIES_MAX
            })
    }
}

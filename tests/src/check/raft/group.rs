//! One group: passes each event to the invariants that it concerns.

use aspen_core::{LogIndex, NodeId};

use super::committed::Committed;
use super::digests::Digests;
use super::leaders::{Leaders, incomplete};
use super::logs::Logs;
use super::progress::Progress;
use super::votes::Votes;
use super::{Ballot, EntryId};
use crate::check::Violation;

/// What was seen of one group's replicas.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) digests: Digests,
    pub(super) logs: Logs,
    committed: Committed,
    leaders: Leaders,
    progress: Progress,
    votes: Votes,
}

impl Group {
    pub(super) fn vote_saved(
        &mut self,
        node: NodeId,
        ballot: Ballot,
        granted: bool,
    ) -> Result<(), Violation> {
        self.leaders.voted(node, ballot, self.committed.last());
        self.votes.saved(node, ballot, granted)
    }

    pub(super) fn leader_seen(&mut self, node: NodeId, ballot: Ballot) -> Result<(), Violation> {
        let voted = self.votes.ballot(node);
        self.leaders.seen(node, ballot, voted)?;
        // A deposed leader's log is no longer the one that it led with.
        match self.leaders.must_hold(ballot) {
            Some(committed) if self.leaders.leading(node) == Some(ballot) => {
                self.holds(node, ballot, committed)
            }
            _ => Ok(()),
        }
    }

    fn holds(&self, node: NodeId, ballot: Ballot, entry: EntryId) -> Result<(), Violation> {
        let held = self.logs.entry(node, entry.index).map(|(held, _)| held);
        let covered = held.is_none() && self.logs.covers(node, entry.index);
        match covered || held == Some(entry) {
            true => Ok(()),
            false => Err(incomplete(node, ballot, entry, held, self.logs.last(node))),
        }
    }

    pub(super) fn appended(
        &mut self,
        node: NodeId,
        entry: EntryId,
        payload_hash: u64,
    ) -> Result<(), Violation> {
        let before = self.committed.chain_before(entry.index);
        let leading = self.leaders.leading(node);
        self.keeps_applied(node, entry.index, Some(entry))?;
        self.logs.appended(node, entry, payload_hash, before, leading)
    }

    pub(super) fn truncated(&mut self, node: NodeId, from: LogIndex) -> Result<(), Violation> {
        self.keeps_applied(node, from, None)?;
        self.logs.truncated(node, from, self.leaders.leading(node))
    }

    /// A node that has applied an entry never drops or replaces it.
    fn keeps_applied(
        &self,
        node: NodeId,
        from: LogIndex,
        replacement: Option<EntryId>,
    ) -> Result<(), Violation> {
        let Some((held, _)) = self.logs.entry(node, from) else { return Ok(()) };
        if replacement == Some(held) || self.progress.farthest(node) < Some(from) {
            return Ok(());
        }
        let detail = format!("node {node} has applied {held} and drops it from its log");
        Err(Violation::new("committed entries stay", detail))
    }

    pub(super) fn applied(
        &mut self,
        node: NodeId,
        entry: EntryId,
        payload_hash: u64,
        replies_hash: u64,
    ) -> Result<(), Violation> {
        let held = self.logs.entry(node, entry.index);
        let chain = held.and_then(|(_, chain)| chain);
        self.progress.applied(node, entry)?;
        self.committed.applied(node, entry, Some((payload_hash, replies_hash)), chain)?;
        match held {
            Some((held, _)) if held != entry => {
                let detail = format!("node {node} applied {entry}, but its log holds {held}");
                Err(Violation::new("nodes apply what their logs hold", detail))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn snapshot_installed(
        &mut self,
        node: NodeId,
        entry: EntryId,
    ) -> Result<(), Violation> {
        self.logs.covered(node, entry.index);
        self.progress.snapshot(node, entry)?;
        self.committed.applied(node, entry, None, None)
    }

    pub(super) fn restarted(&mut self, node: NodeId) {
        self.leaders.stopped(node);
        self.progress.restarted(node);
    }

    pub(super) fn wiped(&mut self, node: NodeId) {
        self.restarted(node);
        self.logs.wiped(node);
        self.progress.wiped(node);
        self.votes.wiped(node);
    }
}

//! Raft's invariants, checked at every step from what each node's log and state machine are told to
//! do.
//!
//! Source: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (USENIX ATC
//! 2014), Figure 3 and section 5.2. One file holds one of them:
//! * `votes`: a saved vote never goes back, across restarts (section 5.2).
//! * `leaders`: Election Safety, and Leader Completeness.
//! * `logs`: Log Matching, Leader Append-Only, and the log keeps what it said is durable.
//! * `committed`: State Machine Safety: what one node applied at an index, every node applies.
//! * `progress`: a node applies every entry once and in order while it runs, and after a restart
//!   leaves none out.
//! * `digests`: equal applied indexes mean equal states.

mod ballot;
mod committed;
mod digests;
mod encoding;
mod group;
mod leaders;
mod logs;
mod progress;
mod votes;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use aspen_core::{GroupId, LogIndex, NodeId};
use parking_lot::Mutex;

use super::Violation;
pub use ballot::{Ballot, EntryId};
pub use encoding::{entry_of_marker, entry_of_record, fingerprint, vote_of_bytes};
use group::Group;

/// Watches every replica of every group. Clones share what they saw.
///
/// It must see all calls from the first start of each node on. When to call:
/// * [`vote_saved`](Self::vote_saved) after the vote is durable and before anybody is told;
/// * [`appended`](Self::appended), [`truncated`](Self::truncated) and [`purged`](Self::purged)
///   before the log is asked to, since a node acts on entries that are on their way to the disk;
///   [`flushed`](Self::flushed) when the log says that they are durable;
/// * [`applied`](Self::applied) and [`snapshot_installed`](Self::snapshot_installed) after the
///   state machine has done it.
///
/// A call keeps only the first violation; [`check`](Self::check) answers it.
#[derive(Clone, Debug, Default)]
pub struct RaftObserver(Arc<Mutex<Observed>>);

#[derive(Debug, Default)]
struct Observed {
    groups: BTreeMap<GroupId, Group>,
    violation: Option<Violation>,
}

impl RaftObserver {
    /// An observer of nodes that have not started yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first violation seen.
    ///
    /// # Errors
    /// That violation.
    pub fn check(&self) -> Result<(), Violation> {
        self.0.lock().violation.clone().map_or(Ok(()), Err)
    }

    /// A node's vote is durable: for `ballot`, and whether a quorum is known to have granted it.
    pub fn vote_saved(&self, group: GroupId, node: NodeId, ballot: Ballot, granted: bool) {
        self.observe(group, |group| group.vote_saved(node, ballot, granted));
    }

    /// A node says that it leads with `ballot`. It may have ceased to by now.
    pub fn leader_seen(&self, group: GroupId, node: NodeId, ballot: Ballot) {
        self.observe(group, |group| group.leader_seen(node, ballot));
    }

    /// A node's log takes an entry, after the entry before it.
    pub fn appended(&self, group: GroupId, node: NodeId, entry: EntryId, payload_hash: u64) {
        self.observe(group, |group| group.appended(node, entry, payload_hash));
    }

    /// A node's log said that everything up to `last`, inclusive, is durable.
    pub fn flushed(&self, group: GroupId, node: NodeId, last: LogIndex) {
        self.observe(group, |group| group.logs.flushed(node, last));
    }

    /// A node's log drops every entry at `from` and after it.
    pub fn truncated(&self, group: GroupId, node: NodeId, from: LogIndex) {
        self.observe(group, |group| group.truncated(node, from));
    }

    /// A node's log drops every entry up to `upto`, inclusive, which a snapshot covers.
    pub fn purged(&self, group: GroupId, node: NodeId, upto: LogIndex) {
        self.observe(group, |group| group.logs.purged(node, upto));
    }

    /// A restarted node opened its log and found `last` as its last entry, or none (then the log
    /// may have been purged).
    pub fn log_opened(&self, group: GroupId, node: NodeId, last: Option<LogIndex>) {
        self.observe(group, |group| group.logs.opened(node, last));
    }

    /// A node's state machine applied an entry and gave these replies.
    pub fn applied(
        &self,
        group: GroupId,
        node: NodeId,
        entry: EntryId,
        payload_hash: u64,
        replies_hash: u64,
    ) {
        self.observe(group, |group| group.applied(node, entry, payload_hash, replies_hash));
    }

    /// A node's state machine was replaced by a snapshot that ends with `entry`.
    pub fn snapshot_installed(&self, group: GroupId, node: NodeId, entry: EntryId) {
        self.observe(group, |group| group.snapshot_installed(node, entry));
    }

    /// A digest of a node's whole state when the last entry it had applied was `applied`.
    pub fn state_digest(&self, group: GroupId, node: NodeId, applied: LogIndex, digest: u64) {
        self.observe(group, |group| group.digests.seen(node, applied, digest));
    }

    /// A node starts again on what its disk kept.
    pub fn restarted(&self, node: NodeId) {
        self.0.lock().groups.values_mut().for_each(|group| group.restarted(node));
    }

    /// A node lost its disk: nothing that it promised binds it any more.
    pub fn wiped(&self, node: NodeId) {
        self.0.lock().groups.values_mut().for_each(|group| group.wiped(node));
    }

    fn observe(&self, id: GroupId, event: impl FnOnce(&mut Group) -> Result<(), Violation>) {
        let mut observed = self.0.lock();
        if let Err(Violation { invariant, detail }) = event(observed.groups.entry(id).or_default())
        {
            let violation = Violation::new(invariant, format!("group {id}: {detail}"));
            observed.violation.get_or_insert(violation);
        }
    }
}

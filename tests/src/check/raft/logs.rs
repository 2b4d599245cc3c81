//! Invariants of logs.
//!
//! * *Log Matching* (Raft, Figure 3): two logs that hold an entry of the same index and ballot hold
//!   the same entry there and before it. Each entry carries a hash of itself and of all before it,
//!   so one comparison covers the prefix.
//! * *Leader Append-Only* (Figure 3): a leader never drops or overwrites its own entries.
//! * Ballots never decrease along a log (section 5.4.1 relies on it).
//! * What a log said is durable is there after a restart (section 5: the log is on stable storage).

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use aspen_core::{LogIndex, NodeId};

use super::{Ballot, EntryId};
use crate::check::Violation;

/// A hash of an entry and all before it; `None` where what came before was never seen.
pub(super) type Chain = Option<u64>;

/// The logs of one group's replicas.
#[derive(Debug, Default)]
pub(super) struct Logs {
    nodes: BTreeMap<NodeId, NodeLog>,
    /// Every entry that was ever in a log.
    known: BTreeMap<EntryId, Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    payload_hash: u64,
    chain: Chain,
    /// Who held it first.
    node: NodeId,
}

#[derive(Debug, Default)]
struct NodeLog {
    entries: BTreeMap<u64, (EntryId, Chain)>,
    /// Everything up to here, inclusive, is covered by a snapshot.
    base: Option<LogIndex>,
    /// Everything up to here, inclusive, was said to be durable.
    durable: Option<LogIndex>,
}

impl Logs {
    /// Takes an entry into a node's log. `committed_before` is the chain of the committed entry
    /// before it, where that is known: a snapshot stands for it in a log that starts there.
    pub(super) fn appended(
        &mut self,
        node: NodeId,
        entry: EntryId,
        payload_hash: u64,
        committed_before: Chain,
        leading: Option<Ballot>,
    ) -> Result<(), Violation> {
        self.overwritten(node, entry, leading)?;
        let log = self.nodes.entry(node).or_default();
        let before = entry.index.get().checked_sub(1).and_then(|index| log.entries.get(&index));
        let chain = match (before, entry.index.get()) {
            (_, 0) => Some(0),
            (Some((_, chain)), _) => *chain,
            (None, _) => committed_before,
        };
        let chain = chain.map(|before| link(before, entry, payload_hash));
        let decreases = before.filter(|(before, _)| before.ballot > entry.ballot);
        let decreases = decreases.map(|(before, _)| *before);
        log.entries.insert(entry.index.get(), (entry, chain));
        if let Some(before) = decreases {
            let detail = format!("node {node} appends {entry} after {before}");
            return Err(Violation::new("ballots never decrease in a log", detail));
        }
        self.matches(node, entry, Known { payload_hash, chain, node })
    }

    fn overwritten(
        &mut self,
        node: NodeId,
        entry: EntryId,
        leading: Option<Ballot>,
    ) -> Result<(), Violation> {
        let log = self.nodes.entry(node).or_default();
        match log.entries.get(&entry.index.get()) {
            Some((held, _)) if *held != entry => self.truncated(node, entry.index, leading),
            // An entry that is written again as it was leaves those after it in place.
            _ => Ok(()),
        }
    }

    fn matches(&mut self, node: NodeId, entry: EntryId, new: Known) -> Result<(), Violation> {
        let known = self.known.entry(entry).or_insert(new);
        let different = if known.payload_hash != new.payload_hash {
            "different contents"
        } else if known.chain.zip(new.chain).is_some_and(|(one, two)| one != two) {
            "different entries before it"
        } else {
            known.chain = known.chain.or(new.chain);
            return Ok(());
        };
        let other = known.node;
        let detail = format!("nodes {other} and {node} both hold {entry}, with {different}");
        Err(Violation::new("log matching", detail))
    }

    pub(super) fn truncated(
        &mut self,
        node: NodeId,
        from: LogIndex,
        leading: Option<Ballot>,
    ) -> Result<(), Violation> {
        let log = self.nodes.entry(node).or_default();
        let dropped = log.entries.split_off(&from.get());
        log.keep_durable_below(from);
        match (leading, dropped.values().next()) {
            (Some(ballot), Some((entry, _))) => {
                let detail = format!("node {node} leads with {ballot} and drops {entry}");
                Err(Violation::new("leader append-only", detail))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn flushed(&mut self, node: NodeId, last: LogIndex) -> Result<(), Violation> {
        let log = self.nodes.entry(node).or_default();
        // The entry may have been dropped while it was on its way to the disk.
        let held = log.entries.keys().next_back().map(|index| LogIndex::new(*index));
        log.durable = log.durable.max(held.map(|held| held.min(last)));
        Ok(())
    }

    pub(super) fn purged(&mut self, node: NodeId, upto: LogIndex) -> Result<(), Violation> {
        let log = self.nodes.entry(node).or_default();
        log.entries = log.entries.split_off(&upto.get().saturating_add(1));
        log.base = log.base.max(Some(upto));
        Ok(())
    }

    /// A snapshot covers everything up to here. The entries stay until they are purged.
    pub(super) fn covered(&mut self, node: NodeId, upto: LogIndex) {
        let log = self.nodes.entry(node).or_default();
        log.base = log.base.max(Some(upto));
    }

    pub(super) fn opened(&mut self, node: NodeId, last: Option<LogIndex>) -> Result<(), Violation> {
        let log = self.nodes.entry(node).or_default();
        let durable = log.durable.filter(|durable| Some(*durable) > log.base);
        match last {
            Some(last) => drop(log.entries.split_off(&last.get().saturating_add(1))),
            None => log.entries.clear(),
        }
        match durable {
            Some(durable) if last < Some(durable) => {
                let found = last.map_or("none".to_owned(), |last| last.to_string());
                let detail = format!(
                    "node {node} had made entry {durable} durable; after a restart its last is {found}"
                );
                log.durable = last;
                Err(Violation::new("a log keeps what is durable", detail))
            }
            _ => Ok(()),
        }
    }

    /// The entry at an index of a node's log.
    pub(super) fn entry(&self, node: NodeId, index: LogIndex) -> Option<(EntryId, Chain)> {
        self.nodes.get(&node)?.entries.get(&index.get()).copied()
    }

    /// Whether a snapshot covers an index of a node's log.
    pub(super) fn covers(&self, node: NodeId, index: LogIndex) -> bool {
        self.nodes.get(&node).is_some_and(|log| log.base >= Some(index))
    }

    /// The last entry's index of a node's log.
    pub(super) fn last(&self, node: NodeId) -> Option<LogIndex> {
        let (last, _) = self.nodes.get(&node)?.entries.last_key_value()?;
        Some(LogIndex::new(*last))
    }

    pub(super) fn wiped(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }
}

impl NodeLog {
    fn keep_durable_below(&mut self, end: LogIndex) {
        let last = end.get().checked_sub(1).map(LogIndex::new);
        self.durable = self.durable.min(last);
    }
}

fn link(before: u64, entry: EntryId, payload_hash: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (before, entry, payload_hash).hash(&mut hasher);
    hasher.finish()
}

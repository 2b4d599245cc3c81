//! Invariant: *State Machine Safety* (Raft, Figure 3): if a node has applied an entry at an index,
//! no node ever applies another there. And since applying is deterministic, all give the same
//! replies.

use std::collections::BTreeMap;

use aspen_core::{LogIndex, NodeId};

use super::EntryId;
use super::logs::Chain;
use crate::check::Violation;

/// What was applied at each index, for ever.
#[derive(Debug, Default)]
pub(super) struct Committed(BTreeMap<LogIndex, Applied>);

#[derive(Clone, Copy, Debug)]
struct Applied {
    entry: EntryId,
    /// Payload and replies; unknown where only a snapshot told of the entry.
    hashes: Option<(u64, u64)>,
    chain: Chain,
    /// Who applied it first.
    node: NodeId,
}

impl Committed {
    pub(super) fn applied(
        &mut self,
        node: NodeId,
        entry: EntryId,
        hashes: Option<(u64, u64)>,
        chain: Chain,
    ) -> Result<(), Violation> {
        let new = Applied { entry, hashes, chain, node };
        let known = self.0.entry(entry.index).or_insert(new);
        let (other, at) = (known.node, entry.index);
        let violation = |what: String| {
            let detail = format!("nodes {other} and {node} applied {what} at {at}");
            Err(Violation::new("state machine safety", detail))
        };
        if known.entry != entry {
            return violation(format!("different entries ({} and {entry})", known.entry));
        }
        match (known.hashes, hashes) {
            (Some(one), Some(two)) if one.0 != two.0 => {
                return violation("different contents".into());
            }
            (Some(one), Some(two)) if one.1 != two.1 => {
                return violation("the same entry with different replies".into());
            }
            _ => (),
        }
        known.hashes = known.hashes.or(hashes);
        known.chain = known.chain.or(chain);
        Ok(())
    }

    /// The last entry that any node has applied.
    pub(super) fn last(&self) -> Option<EntryId> {
        self.0.last_key_value().map(|(_, applied)| applied.entry)
    }

    /// The chain up to the entry before `index`.
    pub(super) fn chain_before(&self, index: LogIndex) -> Chain {
        let before = index.get().checked_sub(1)?;
        self.0.get(&LogIndex::new(before))?.chain
    }
}

//! Invariant: a node applies entries one by one in the order of the log; while it runs none twice,
//! and after a restart from a place that leaves none out.
//!
//! Source: Raft, section 5.3 (`lastApplied` increases monotonically, Figure 2).

use std::collections::BTreeMap;

use aspen_core::{LogIndex, NodeId};

use super::EntryId;
use crate::check::Violation;

const INVARIANT: &str = "entries are applied in order";

/// How far each node has applied.
#[derive(Debug, Default)]
pub(super) struct Progress(BTreeMap<NodeId, NodeProgress>);

#[derive(Debug, Default)]
struct NodeProgress {
    /// The last entry since the node started.
    last: Option<LogIndex>,
    /// The farthest ever.
    farthest: Option<LogIndex>,
}

impl Progress {
    pub(super) fn applied(&mut self, node: NodeId, entry: EntryId) -> Result<(), Violation> {
        let progress = self.0.entry(node).or_default();
        let next = |index: Option<LogIndex>| index.map_or(0, |index| index.get() + 1);
        let (index, next_now) = (entry.index.get(), next(progress.last));
        let fits = match progress.last {
            Some(_) => index == next_now,
            // The state on disk may lie anywhere behind what was applied.
            None => index <= next(progress.farthest),
        };
        let before = progress.last.or(progress.farthest);
        progress.advance(entry.index);
        let before = match before {
            _ if fits => return Ok(()),
            Some(before) => format!("it had come to {before}"),
            None => "it had applied nothing".to_owned(),
        };
        Err(Violation::new(INVARIANT, format!("node {node} applied {entry}; {before}")))
    }

    pub(super) fn snapshot(&mut self, node: NodeId, entry: EntryId) -> Result<(), Violation> {
        let progress = self.0.entry(node).or_default();
        let before = progress.last;
        progress.advance(entry.index);
        match before {
            Some(before) if before > entry.index => {
                let detail = format!(
                    "node {node} had applied {before} and installed a snapshot that ends with {entry}"
                );
                Err(Violation::new(INVARIANT, detail))
            }
            _ => Ok(()),
        }
    }

    /// The farthest entry that a node has ever applied.
    pub(super) fn farthest(&self, node: NodeId) -> Option<LogIndex> {
        self.0.get(&node)?.farthest
    }

    pub(super) fn restarted(&mut self, node: NodeId) {
        if let Some(progress) = self.0.get_mut(&node) {
            progress.last = None;
        }
    }

    pub(super) fn wiped(&mut self, node: NodeId) {
        self.0.remove(&node);
    }
}

impl NodeProgress {
    fn advance(&mut self, index: LogIndex) {
        self.last = Some(index);
        self.farthest = self.farthest.max(Some(index));
    }
}

//! Invariant: nodes that have applied the same entries hold the same state.
//!
//! Source: Schneider, "Implementing Fault-Tolerant Services Using the State Machine Approach"
//! (1990): a state machine's state follows from the commands it was given, and from nothing else.

use std::collections::BTreeMap;

use aspen_core::{LogIndex, NodeId};

use crate::check::Violation;

/// The first digest seen at each applied index.
#[derive(Debug, Default)]
pub(super) struct Digests(BTreeMap<LogIndex, (u64, NodeId)>);

impl Digests {
    pub(super) fn seen(
        &mut self,
        node: NodeId,
        applied: LogIndex,
        digest: u64,
    ) -> Result<(), Violation> {
        let (first, other) = *self.0.entry(applied).or_insert((digest, node));
        if first == digest {
            return Ok(());
        }
        let detail = format!(
            "nodes {other} and {node} have both applied everything up to {applied}, but their states \
             differ: {first:016x} and {digest:016x}"
        );
        Err(Violation::new("equal logs make equal states", detail))
    }
}

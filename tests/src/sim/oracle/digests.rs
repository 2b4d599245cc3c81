//! Replicas that have applied the same hold the same.

use std::collections::BTreeMap;

use aspen_core::{GroupId, NodeId};

use super::{Judgement, Replica};
use crate::check::Violation;

/// A state follows from the entries that were applied and from nothing else (Schneider,
/// "Implementing Fault-Tolerant Services Using the State Machine Approach", 1990).
const EQUAL: &str = "replicas hold the same at the same revision";

/// The first digest of each group's state at each revision that was looked at, and whose it was.
#[derive(Default)]
pub(super) struct Digests(BTreeMap<(GroupId, u64), (u64, NodeId)>);

impl Digests {
    /// A replica's whole state at a revision.
    pub(super) fn seen(&mut self, replica: Replica, revision: u64, digest: u64) -> Judgement {
        let new = (digest, replica.node);
        let (known, first) = *self.0.entry((replica.group, revision)).or_insert(new);
        if known == digest {
            return Ok(());
        }
        let detail = format!("{replica} and node {first} differ at revision {revision}");
        Err(Violation::new(EQUAL, detail))
    }
}

//! The node registry: what the meta group holds about nodes.
//!
//! Keys, all with values in JSON, all beginning with `node` so that one scan reads them at one
//! revision:
//! * `node/<id as 20 digits>`: the node's [`NodeRecord`];
//! * `node-removed/<id as 20 digits>`: the record of a node that was removed and may not return;
//! * `node-voters`: the ids that shall vote in every group; every registered node when absent.
//!
//! What is written here is a wish; each group's leader turns it into membership, step by step.

mod change;
mod keys;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use aspen_core::{Consistency, NodeId, NodeRecord, Projection, ReadError, Revision, ScanRequest};
use aspen_raft::Group;

pub(crate) use change::{ChangeError, change};
pub(crate) use keys::{registration, removal, voters_wish};

/// The registry at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registry {
    /// The meta group's revision at which it was read.
    pub(crate) revision: Revision,
    /// The registered nodes.
    pub(crate) nodes: BTreeMap<NodeId, NodeRecord>,
    /// The nodes that were removed for good.
    pub(crate) removed: BTreeMap<NodeId, NodeRecord>,
    /// The wished voters, when not every node shall vote.
    pub(crate) wished_voters: Option<BTreeSet<NodeId>>,
}

impl Registry {
    /// Reads the registry from the meta group.
    pub(crate) async fn load(meta: &Group, consistency: Consistency) -> Result<Self, ReadError> {
        let mut registry = Self::default();
        let mut request = ScanRequest {
            projection: Projection::Full,
            consistency,
            ..ScanRequest::new(keys::range())
        };
        loop {
            let page = meta.scan(request.clone()).await?;
            registry.revision = page.revision;
            for entry in &page.entries {
                registry.take(entry.key.as_bytes(), entry.value.as_bytes());
            }
            match page.cursor {
                Some(cursor) => request.cursor = Some(cursor),
                None => return Ok(registry),
            }
        }
    }

    /// The nodes that shall vote.
    pub(crate) fn voters(&self) -> BTreeSet<NodeId> {
        let registered = self.nodes.keys().copied();
        match &self.wished_voters {
            Some(voters) => registered.filter(|node| voters.contains(node)).collect(),
            None => registered.collect(),
        }
    }

    /// An entry of a newer program, or a damaged one, is left out rather than making the rest
    /// unreadable.
    fn take(&mut self, key: &[u8], value: &[u8]) {
        let taken = match keys::parse(key) {
            Some(keys::Name::Node(id)) => keys::decode(value).map(|record| {
                self.nodes.insert(id, record);
            }),
            Some(keys::Name::Removed(id)) => keys::decode(value).map(|record| {
                self.removed.insert(id, record);
            }),
            Some(keys::Name::Voters) => {
                keys::decode(value).map(|ids| self.wished_voters = Some(ids))
            }
            None => None,
        };
        if taken.is_none() {
            tracing::warn!(key = %key.escape_ascii(), "registry entry is not understood");
        }
    }
}

//! The nodes that this node knows, and where they are.

use std::collections::BTreeMap;
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{EndpointKey, NodeId, NodeRecord, NotLeader};
use aspen_net::{PeerAddress, TICKET_PEERS_MAX};
use parking_lot::RwLock;

/// How long a node that another one named stays known although this node's replica of the registry
/// lacks it. In that time the replica catches up, or the others are asked again.
const INTRODUCTION_LASTS: Duration = Duration::from_secs(60);

/// The known nodes by id, this one included. Everything in it is a hint: a wrong address costs an
/// attempt to connect, and keys are checked by the network.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    records: RwLock<BTreeMap<NodeId, NodeRecord>>,
    introduced: RwLock<Introduced>,
}

/// Nodes that a node of the cluster named when this one asked, and until when that counts.
#[derive(Debug, Default)]
struct Introduced {
    records: Vec<NodeRecord>,
    until: Option<Instant>,
}

impl Directory {
    /// A directory of these nodes.
    pub(crate) fn new(records: impl IntoIterator<Item = NodeRecord>) -> Self {
        let records = records.into_iter().map(|record| (record.id, record)).collect();
        Self { records: RwLock::new(records), introduced: RwLock::default() }
    }

    /// A node, when it is known.
    pub(crate) fn node(&self, id: NodeId) -> Option<NodeRecord> {
        self.records.read().get(&id).cloned()
    }

    /// Whether the key is a known node's.
    pub(crate) fn is_node(&self, endpoint: EndpointKey) -> bool {
        self.records.read().values().any(|record| record.endpoint == endpoint)
    }

    /// Every known node, by id.
    pub(crate) fn all(&self) -> Vec<NodeRecord> {
        self.records.read().values().cloned().collect()
    }

    /// Takes over a new picture; answers whether it differs from the old one.
    pub(crate) fn replace(&self, records: BTreeMap<NodeId, NodeRecord>) -> bool {
        let mut current = self.records.write();
        let changed = *current != records;
        *current = records;
        changed
    }

    /// Adds nodes, or updates them; answers whether that changed anything.
    pub(crate) fn merge(&self, records: impl IntoIterator<Item = NodeRecord>) -> bool {
        let mut merged = self.records.read().clone();
        merged.extend(records.into_iter().map(|record| (record.id, record)));
        self.replace(merged)
    }

    /// Takes over what another node said about who is in the cluster; answers whether that changed
    /// anything.
    pub(crate) fn introduce(&self, records: Vec<NodeRecord>) -> bool {
        let until = Some(runtime::now() + INTRODUCTION_LASTS);
        *self.introduced.write() = Introduced { records: records.clone(), until };
        self.merge(records)
    }

    /// What another node said lately.
    pub(crate) fn introduced(&self) -> Vec<NodeRecord> {
        let introduced = self.introduced.read();
        let counts = introduced.until.is_some_and(|until| runtime::now() < until);
        if counts { introduced.records.clone() } else { Vec::new() }
    }

    /// As many peers as a ticket holds, `first` among them.
    pub(crate) fn ticket_peers(&self, first: NodeId) -> Vec<PeerAddress> {
        let records = self.records.read();
        let others = records.values().filter(|record| record.id != first);
        let ordered = records.get(&first).into_iter().chain(others);
        ordered.map(PeerAddress::from).take(TICKET_PEERS_MAX).collect()
    }

    /// Fills in where the leader is: the registry is newer than what a group's membership holds.
    pub(crate) fn locate(&self, mut hint: NotLeader) -> NotLeader {
        if let Some(record) = hint.leader.and_then(|leader| self.node(leader)) {
            hint.address = Some((record.endpoint, record.addresses));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use aspen_core::GroupId;

    fn record(id: u64) -> NodeRecord {
        let endpoint = EndpointKey::new([u8::try_from(id).unwrap(); 32]);
        NodeRecord { id: NodeId::new(id), endpoint, addresses: vec![format!("127.0.0.1:{id}")] }
    }

    #[test]
    fn a_ticket_names_the_issuer_first_and_no_more_than_it_may() {
        let directory = Directory::new((1..=40).map(record));
        let peers = directory.ticket_peers(NodeId::new(30));
        assert_eq!(peers.len(), TICKET_PEERS_MAX);
        assert_eq!(peers[0].endpoint, record(30).endpoint);
        assert_eq!(peers[1].endpoint, record(1).endpoint);
    }

    #[test]
    fn a_leader_is_located_by_the_newest_record() {
        let directory = Directory::new([record(2)]);
        let stale = Some((record(2).endpoint, vec!["127.0.0.1:9".to_owned()]));
        let hint = NotLeader { group: GroupId::META, leader: Some(NodeId::new(2)), address: stale };
        let expected = Some((record(2).endpoint, record(2).addresses));
        assert_eq!(directory.locate(hint).address, expected);
    }

    #[test]
    fn a_change_is_noticed_once() {
        let directory = Directory::new([record(1)]);
        let next = BTreeMap::from([(NodeId::new(1), record(1)), (NodeId::new(2), record(2))]);
        assert!(directory.replace(next.clone()));
        assert!(!directory.replace(next));
        assert!(directory.is_node(record(2).endpoint) && !directory.is_node(record(3).endpoint));
    }
}

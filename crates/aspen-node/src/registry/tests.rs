#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use aspen_core::{EndpointKey, NodeId, NodeRecord, Operation};

use super::{Registry, keys};

fn record(id: u64) -> NodeRecord {
    let endpoint = EndpointKey::new([u8::try_from(id).unwrap(); 32]);
    NodeRecord { id: NodeId::new(id), endpoint, addresses: vec!["127.0.0.1:1".to_owned()] }
}

fn ids(raw: impl IntoIterator<Item = u64>) -> BTreeSet<NodeId> {
    raw.into_iter().map(NodeId::new).collect()
}

fn registry(operations: Vec<Operation>) -> Registry {
    let mut registry = Registry::default();
    for operation in operations {
        if let Operation::Put { key, value, .. } = operation {
            assert!(keys::range().contains(key.as_bytes()));
            registry.take(key.as_bytes(), value.as_bytes());
        }
    }
    registry
}

#[test]
fn what_is_written_is_read() {
    let mut operations = super::registration(&record(1));
    operations.extend(super::registration(&record(20)));
    operations.extend(super::removal(&record(3), None));
    let registry = registry(operations);
    assert_eq!(registry.nodes[&NodeId::new(20)], record(20));
    assert_eq!(registry.removed[&NodeId::new(3)], record(3));
    assert_eq!(registry.voters(), ids([1, 20]));
}

#[test]
fn only_registered_nodes_are_wished_as_voters() {
    let mut operations = super::registration(&record(1));
    operations.extend(super::registration(&record(2)));
    operations.extend(super::voters_wish(Some(&ids([2, 9]))));
    assert_eq!(registry(operations).voters(), ids([2]));
}

#[test]
fn a_removed_node_is_no_longer_wished() {
    let operations = super::removal(&record(2), Some(&ids([1, 2])));
    let mut registry = registry(operations);
    registry.nodes.insert(NodeId::new(1), record(1));
    registry.nodes.insert(NodeId::new(2), record(2));
    assert_eq!(registry.voters(), ids([1]));
}

#[test]
fn entries_that_are_not_understood_are_left_out() {
    let mut registry = registry(super::registration(&record(1)));
    registry.take(b"node/x", b"{}");
    registry.take(b"node/00000000000000000002", b"garbage");
    registry.take(b"node\xff", b"{}");
    registry.take(b"nodes-of-the-future", b"{}");
    assert_eq!(registry.voters(), ids([1]));
}

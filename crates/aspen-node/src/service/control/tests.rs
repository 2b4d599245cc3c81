#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use aspen_core::{ControlError, EndpointKey, NodeId, NodeRecord};

use super::{decide_removal, decide_voters};
use crate::registry::{Registry, removal, voters_wish};

fn record(id: u64) -> NodeRecord {
    NodeRecord { id: NodeId::new(id), endpoint: EndpointKey::new([1; 32]), addresses: vec![] }
}

fn registry(nodes: impl IntoIterator<Item = u64>) -> Registry {
    let nodes = nodes.into_iter().map(|id| (NodeId::new(id), record(id))).collect();
    Registry { nodes, ..Registry::default() }
}

fn ids(raw: impl IntoIterator<Item = u64>) -> BTreeSet<NodeId> {
    raw.into_iter().map(NodeId::new).collect()
}

#[test]
fn voters_must_be_registered_and_at_least_one() {
    let registry = registry([1, 2]);
    let none = decide_voters(&registry, &BTreeSet::new());
    assert!(matches!(none, Err(ControlError::Invalid(_))));
    let error = decide_voters(&registry, &ids([1, 3])).unwrap_err().to_string();
    assert!(error.contains("node 3 is not registered"), "{error}");
}

#[test]
fn all_voters_is_no_restriction() {
    let registry = registry([1, 2]);
    assert_eq!(decide_voters(&registry, &ids([1, 2])).unwrap(), voters_wish(None));
    assert_eq!(decide_voters(&registry, &ids([2])).unwrap(), voters_wish(Some(&ids([2]))));
}

#[test]
fn the_last_voter_stays() {
    let mut two = registry([1, 2]);
    assert_eq!(decide_removal(&two, NodeId::new(2)).unwrap(), removal(&record(2), None));
    two.wished_voters = Some(ids([2]));
    assert!(decide_removal(&two, NodeId::new(2)).unwrap_err().to_string().contains("last voter"));
    assert!(decide_removal(&registry([1]), NodeId::new(1)).is_err());
}

#[test]
fn removing_twice_is_removing_once() {
    let mut registry = registry([1]);
    assert!(decide_removal(&registry, NodeId::new(2)).is_err());
    registry.removed.insert(NodeId::new(2), record(2));
    assert_eq!(decide_removal(&registry, NodeId::new(2)).unwrap(), []);
}

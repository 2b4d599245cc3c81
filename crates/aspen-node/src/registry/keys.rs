//! Names and values of registry entries.

use std::collections::BTreeSet;

use aspen_core::{Key, KeyRange, NodeId, NodeRecord, Operation, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

const NODE: &str = "node/";
const REMOVED: &str = "node-removed/";
const VOTERS: &str = "node-voters";

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Node(NodeId),
    Removed(NodeId),
    Voters,
}

/// Where all entries are.
pub(super) fn range() -> KeyRange {
    KeyRange::prefix("node")
}

/// Reads a key.
pub(super) fn parse(key: &[u8]) -> Option<Name> {
    let text = std::str::from_utf8(key).ok()?;
    if text == VOTERS {
        return Some(Name::Voters);
    }
    let node = |digits: &str| digits.parse().ok().map(NodeId::new);
    match text.strip_prefix(NODE) {
        Some(digits) => node(digits).map(Name::Node),
        None => text.strip_prefix(REMOVED).and_then(node).map(Name::Removed),
    }
}

/// Reads a value.
pub(super) fn decode<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    serde_json::from_slice(value).ok()
}

/// Writes a node's record.
pub(crate) fn registration(record: &NodeRecord) -> Vec<Operation> {
    vec![Operation::put(node_key(NODE, record.id), encode(record))]
}

/// Takes a node out for good, and off the wished voters.
pub(crate) fn removal(record: &NodeRecord, voters: Option<&BTreeSet<NodeId>>) -> Vec<Operation> {
    let mut operations = vec![
        Operation::Delete { key: node_key(NODE, record.id) },
        Operation::put(node_key(REMOVED, record.id), encode(record)),
    ];
    operations.extend(voters.map(|voters| {
        let left: BTreeSet<_> = voters.iter().filter(|id| **id != record.id).collect();
        Operation::put(key(VOTERS), encode(&left))
    }));
    operations
}

/// Wishes these voters; `None` wishes every node, the future ones included.
pub(crate) fn voters_wish(voters: Option<&BTreeSet<NodeId>>) -> Vec<Operation> {
    vec![match voters {
        Some(voters) => Operation::put(key(VOTERS), encode(voters)),
        None => Operation::Delete { key: key(VOTERS) },
    }]
}

fn node_key(prefix: &str, node: NodeId) -> Key {
    key(&format!("{prefix}{:020}", node.get()))
}

fn key(text: &str) -> Key {
    Key::try_from(text).expect("registry keys are short and not empty")
}

fn encode<T: Serialize>(value: &T) -> Value {
    let json = serde_json::to_vec(value).expect("records and ids have no unserializable parts");
    Value::new(json).expect("a node's few addresses are far below the value limit")
}

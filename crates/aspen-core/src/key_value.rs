//! What the store holds under a key.

use serde::{Deserialize, Serialize};

use crate::{Key, LeaseId, Revision, Value};

/// A key's current or past state, with etcd's three counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValue {
    /// The key.
    pub key: Key,
    /// The value; empty in a keys-only scan.
    pub value: Value,
    /// 1 on creation, +1 per change, from 1 again after a delete.
    pub version: u64,
    /// The revision at which the key last came into being.
    pub create_revision: Revision,
    /// The revision of the last change. Optimistic checks compare this, never `version`.
    pub mod_revision: Revision,
    /// The lease that the key dies with.
    pub lease: Option<LeaseId>,
}

impl KeyValue {
    /// The bytes of key and value together: what page and transaction limits count.
    pub fn len_bytes(&self) -> usize {
        self.key.as_bytes().len() + self.value.len()
    }
}

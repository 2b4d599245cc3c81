//! Where a process can be found.

use std::net::SocketAddr;

use aspen_core::{EndpointKey, NodeRecord};
use serde::{Deserialize, Serialize};

/// How many socket addresses of one peer are tried. A host has few; more would only let a hostile
/// ticket make us send packets to strangers.
pub const ADDRESSES_PER_PEER_MAX: usize = 16;

/// A peer's key and the socket addresses where it may be found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PeerAddress {
    /// Who it is; a process with another key at the same address is not it.
    pub endpoint: EndpointKey,
    /// Where to try, all at once; at most [`ADDRESSES_PER_PEER_MAX`] are used.
    pub addresses: Vec<SocketAddr>,
}

impl From<&NodeRecord> for PeerAddress {
    /// Addresses that do not parse are left out: a record may come from a newer version.
    fn from(record: &NodeRecord) -> Self {
        let parsed = record.addresses.iter().filter_map(|text| text.parse().ok());
        Self { endpoint: record.endpoint, addresses: parsed.take(ADDRESSES_PER_PEER_MAX).collect() }
    }
}

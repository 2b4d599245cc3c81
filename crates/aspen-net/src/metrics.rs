//! What an endpoint can tell about itself.

use aspen_core::{EndpointKey, NodeId};

/// An endpoint's counters, since it was opened, and what is open now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetMetrics {
    /// Open connections, both directions.
    pub connections: usize,
    /// Open connections of clients that are no members.
    pub client_connections: usize,
    /// The members other than this node, by id.
    pub peers: Vec<PeerMetrics>,
    /// Bytes received in datagrams.
    pub bytes_in: u64,
    /// Bytes sent in datagrams.
    pub bytes_out: u64,
    /// Connections that were refused: strangers, bad credentials, or no room.
    pub rejected_connections: u64,
    /// Connections opened to a peer that had been connected before.
    pub reconnects: u64,
    /// Batches of client requests received.
    pub batches_in: u64,
    /// Client requests received, in batches.
    pub requests_in: u64,
}

/// One member as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerMetrics {
    /// Its id.
    pub node: NodeId,
    /// Its key.
    pub endpoint: EndpointKey,
    /// Whether a connection with it is open, in either direction.
    pub online: bool,
    /// The round trip in microseconds, when a connection is open.
    pub rtt_us: Option<u64>,
}

//! Where a node keeps what it learns of its peers.

use aspen_core::NodeRecord;
use aspen_net::Ticket;
use async_trait::async_trait;

/// Keeps the known peers and the clients' ticket beyond the process. Losing them costs time, never
/// data: a node whose peers are lost waits until one of them contacts it.
#[async_trait]
pub trait PeerSink: Send + Sync + 'static {
    /// Keeps the peers for the next run.
    async fn save_peers(&self, peers: Vec<NodeRecord>);

    /// Keeps a ticket that names every node now known; answers whether that worked. It is offered
    /// again until it did.
    async fn save_ticket(&self, ticket: Ticket) -> bool;
}

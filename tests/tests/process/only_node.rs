//! A client that talks to one node and to no other, whatever that node says of the others.

use std::sync::Arc;
use std::time::Duration;

use aspen_client::{CallError, Channel, Client, ClientOptions, PeerAddress, Reach, Ticket};
use aspen_core::{ClientRequest, ClientResponse, EndpointKey};
use aspen_net::{ClientNet, ClientNetOptions};
use aspen_tests::ProcessCluster;
use async_trait::async_trait;

/// How long such a client tries before it says that the node does not serve.
const REQUEST_TIMEOUT_MS: u64 = 1_000;

struct OnlyNode {
    net: Arc<ClientNet>,
    endpoint: EndpointKey,
}

#[async_trait]
impl Channel for OnlyNode {
    async fn call(
        &self,
        peer: &PeerAddress,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError> {
        if peer.endpoint != self.endpoint {
            return Err(CallError::Unreachable("this client talks to one node only".to_owned()));
        }
        self.net.call(peer, request, timeout).await
    }

    async fn close(&self) {
        self.net.close().await;
    }
}

/// Opens a client of one node.
pub(crate) async fn only_node(cluster: &ProcessCluster, id: u64) -> Client {
    let ticket: Ticket = cluster.ticket().parse().unwrap();
    let endpoint = cluster.endpoint(id).await;
    let loopback =
        ticket.peers.iter().flat_map(|peer| &peer.addresses).all(|a| a.ip().is_loopback());
    let reach = if loopback { Reach::Loopback } else { Reach::Lan };
    let options = ClientNetOptions { reach, ..ClientNetOptions::default() };
    let net = ClientNet::bind(&ticket, options).await.unwrap();
    let options =
        ClientOptions { request_timeout_ms: REQUEST_TIMEOUT_MS, ..ClientOptions::default() };
    Client::over(Arc::new(OnlyNode { net, endpoint }), ticket, options)
}

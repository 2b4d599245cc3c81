//! The requests of clients.

use std::sync::Arc;
use std::time::Duration;

use aspen_client::Channel;
use aspen_core::runtime::sim::sleep;
use aspen_core::{ClientRequest, ClientResponse, EndpointKey, MESSAGE_BYTES_MAX, codec, runtime};
use aspen_net::{CallError, PeerAddress};
use async_trait::async_trait;
use madsim::rand::{Rng, thread_rng};
use tokio::sync::oneshot;

use super::letter::Answer;
use super::{Kind, Party, SimNetwork};

/// How long it may take until a connection's end is noticed, in milliseconds.
const END_NOTICED_MS_MAX: u64 = 1_500;

/// How a client reaches nodes.
pub(crate) struct ClientChannel {
    network: Arc<SimNetwork>,
    client: Party,
}

impl ClientChannel {
    /// The way of one client.
    pub(crate) fn new(network: Arc<SimNetwork>, client: u64) -> Arc<Self> {
        Arc::new(Self { network, client: Party::Client(client) })
    }
}

#[async_trait]
impl Channel for ClientChannel {
    async fn call(
        &self,
        peer: &PeerAddress,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError> {
        call(&self.network, self.client, peer.endpoint, request, timeout).await
    }
}

/// Sends a request of `from` and waits for the answer.
pub(super) async fn call(
    network: &Arc<SimNetwork>,
    from: Party,
    to: EndpointKey,
    request: ClientRequest,
    timeout: Duration,
) -> Result<ClientResponse, CallError> {
    let bytes = codec::encode(&request).map_err(|error| CallError::Lost(error.to_string()))?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(CallError::TooLarge { len: bytes.len() });
    }
    let Some(node) = network.node_of(to) else {
        // As long as it takes to find out.
        sleep(network.latency.draw(0) * 2).await;
        return Err(CallError::Unreachable("connection refused".to_owned()));
    };
    let answer = network.send(from, node, Kind::Client, bytes);
    match runtime::timeout(timeout, answered(answer)).await {
        Err(_) => Err(CallError::Timeout),
        Ok(Err(error)) => Err(error),
        Ok(Ok(bytes)) => codec::decode(&bytes).map_err(|error| CallError::Lost(error.to_string())),
    }
}

/// Waits for an answer; when none can come any more, until that is noticed.
pub(super) async fn answered(answer: oneshot::Receiver<Answer>) -> Result<bytes::Bytes, CallError> {
    match answer.await {
        Ok(Answer::Bytes(bytes)) => Ok(bytes),
        Ok(Answer::NobodyThere) => Err(CallError::Unreachable("connection refused".to_owned())),
        Err(_) => {
            let noticed = thread_rng().gen_range(0..END_NOTICED_MS_MAX);
            sleep(Duration::from_millis(noticed)).await;
            Err(CallError::Lost("the connection has ended".to_owned()))
        }
    }
}

//! What carries requests to nodes.

use std::time::Duration;

use aspen_core::{ClientRequest, ClientResponse};
use aspen_net::{CallError, ClientNet, PeerAddress};
use async_trait::async_trait;

/// Carries one request to one node and its answer back.
///
/// [`ClientNet`] is the real one. An implementation may coalesce concurrent calls, must not retry
/// by itself, and must answer [`CallError::Unreachable`] only when the request surely never
/// arrived: whether a write may have happened is decided by that.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    /// Sends `request` to `peer` and waits for the answer, at most `timeout`.
    ///
    /// # Errors
    /// See [`CallError`].
    async fn call(
        &self,
        peer: &PeerAddress,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError>;

    /// Closes what the channel holds open; later calls fail.
    async fn close(&self) {}
}

#[async_trait]
impl Channel for ClientNet {
    async fn call(
        &self,
        peer: &PeerAddress,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError> {
        ClientNet::call(self, peer, request, timeout).await
    }

    async fn close(&self) {
        ClientNet::close(self).await;
    }
}

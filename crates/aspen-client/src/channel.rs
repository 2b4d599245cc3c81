//! What carries requests to nodes.

use std::time::Duration;

use aspen_core::{ClientRequest, ClientResponse};
#[cfg(not(madsim))]
use aspen_net::ClientNet;
use aspen_net::{CallError, PeerAddress};
use async_trait::async_trait;

/// Carries one request to one node and its answer back.
///
/// `aspen_net::ClientNet` is the real one. An implementation may coalesce concurrent calls, must
/// not retry by itself, and must answer [`CallError::Unreachable`] only when the request surely
/// never arrived: whether a write may have happened is decided by that.
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

#[cfg(not(madsim))]
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

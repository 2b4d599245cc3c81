//! The store inside the node's own process.

use std::sync::Arc;
use std::time::Duration;

use aspen_client::Channel;
use aspen_core::{
    Caller, ClientRequest, ClientResponse, ControlRequest, RequestHandler, Rights, runtime,
};
use aspen_net::{CallError, PeerAddress};
use async_trait::async_trait;

use crate::core::Core;
use crate::service::Service;

/// Carries the requests of a client in the node's process: to this node by a call, to others over
/// the connections between nodes.
pub(crate) struct LocalChannel {
    core: Arc<Core>,
    service: Arc<Service>,
}

impl LocalChannel {
    /// A channel into a running node.
    pub(crate) fn new(core: Arc<Core>, service: Arc<Service>) -> Self {
        Self { core, service }
    }

    /// Other nodes would take a status or ticket request for one of this node's own.
    fn is_local(&self, peer: &PeerAddress, request: &ClientRequest) -> bool {
        peer.endpoint == self.core.endpoint
            || matches!(
                request,
                ClientRequest::Control(ControlRequest::Status | ControlRequest::Ticket)
            )
    }

    async fn call_locally(
        &self,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError> {
        let caller = Caller { endpoint: self.core.endpoint, rights: Rights::Admin };
        let handling = self.service.handle(caller, vec![request]);
        let answers = runtime::timeout(timeout, handling).await;
        let mut answers = answers.map_err(|_| CallError::Timeout)?;
        answers.pop().ok_or_else(|| CallError::Lost("the node gave no answer".to_owned()))
    }
}

#[async_trait]
impl Channel for LocalChannel {
    async fn call(
        &self,
        peer: &PeerAddress,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError> {
        match self.is_local(peer, &request) {
            true => self.call_locally(request, timeout).await,
            false => self.core.links.call(peer, request, timeout).await,
        }
    }
}

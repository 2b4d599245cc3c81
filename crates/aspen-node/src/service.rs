//! Answers clients and joining nodes.

mod admission;
mod control;
mod data;
mod rights;
mod settle;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use aspen_core::{Caller, ClientRequest, ClientResponse, JoinReply, JoinRequest, RequestHandler};
use async_trait::async_trait;

use crate::core::Core;

/// The node's request handler.
pub(crate) struct Service {
    core: Arc<Core>,
}

impl Service {
    /// A service of a node.
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

#[async_trait]
impl RequestHandler for Service {
    async fn handle(&self, caller: Caller, requests: Vec<ClientRequest>) -> Vec<ClientResponse> {
        let mut batch = data::Batch::default();
        let mut others = Vec::new();
        for (position, request) in requests.into_iter().enumerate() {
            let request = match rights::check(caller.rights, request) {
                Ok(request) => request,
                Err(denied) => {
                    batch.answer(position, denied);
                    continue;
                }
            };
            match request {
                ClientRequest::Read { group, request } => batch.read(position, group, request),
                ClientRequest::Propose { group, session, command } => {
                    batch.propose(position, group, session, command, &self.core);
                }
                ClientRequest::Scan { .. }
                | ClientRequest::Control(_)
                | ClientRequest::Watch { .. }
                | ClientRequest::Lease { .. }
                | ClientRequest::Sql { .. } => {
                    others.push((position, request));
                }
            }
        }
        batch.run(&self.core, caller, others).await
    }

    async fn join(&self, request: JoinRequest) -> JoinReply {
        admission::admit(&self.core, request).await
    }
}

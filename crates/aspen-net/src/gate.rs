//! Turns strangers away at the end of the handshake, before any stream is accepted.

use std::sync::Arc;

use iroh::endpoint::{AfterHandshakeOutcome, Connection, EndpointHooks};

use crate::close::CloseCode;
use crate::connections::Connections;
use crate::endpoint::endpoint_key;
use crate::members::Members;
use crate::protocol::Protocol;

/// The endpoint's hook.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) members: Arc<Members>,
    pub(crate) connections: Arc<Connections>,
}

impl EndpointHooks for Gate {
    async fn after_handshake<'a>(&'a self, connection: &'a Connection) -> AfterHandshakeOutcome {
        // The hook also fires for connections that we opened; whom we call is our own choice.
        if connection.side().is_client() {
            return AfterHandshakeOutcome::accept();
        }
        match Protocol::from_alpn(connection.alpn()) {
            Some(protocol) if !protocol.is_members_only() => AfterHandshakeOutcome::accept(),
            Some(_) if self.members.admits(endpoint_key(connection.remote_id())) => {
                AfterHandshakeOutcome::accept()
            }
            _ => self.reject(connection),
        }
    }
}

impl Gate {
    fn reject(&self, connection: &Connection) -> AfterHandshakeOutcome {
        self.connections.count_rejected();
        let key = endpoint_key(connection.remote_id());
        tracing::warn!(%key, "refused a connection: the key is no member's");
        AfterHandshakeOutcome::Reject {
            error_code: CloseCode::NotMember.into(),
            reason: b"the caller's key is no member's".to_vec(),
        }
    }
}

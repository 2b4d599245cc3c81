//! Opens connections and proves who calls.

use std::sync::Arc;

use aspen_core::runtime;
use iroh::endpoint::{ConnectError, ConnectingError, Connection, ConnectionError};
use iroh::{Endpoint, RelayUrl};

use crate::close::{CloseCode, close_cause};
use crate::connections::Connections;
use crate::endpoint::{endpoint_addr, endpoint_key};
use crate::hello::{Credential, Hello, Identity, say_hello};
use crate::members::Members;
use crate::protocol::Protocol;
use crate::{CallError, NetTimings, PeerAddress};

/// How often one dial tries when somebody answers but is not the peer. The library sends to every
/// address that it ever knew of the peer and believes the first that answers; when another process
/// has taken an old address, the next try may well be answered by the peer itself.
const HANDSHAKES_PER_DIAL_MAX: usize = 4;

/// Opens the connections of one endpoint.
#[derive(Debug)]
pub(crate) struct Dialer {
    pub(crate) endpoint: Endpoint,
    pub(crate) relay: Option<RelayUrl>,
    pub(crate) timings: NetTimings,
    pub(crate) connections: Arc<Connections>,
    pub(crate) members: Arc<Members>,
    pub(crate) identity: Identity,
}

/// A connection that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DialError {
    /// Nobody with that key answers there now.
    #[error("{0}")]
    Unreachable(String),
    /// The peer says that we are no member.
    #[error("{0}")]
    NotMember(String),
    /// The peer does not accept our credential.
    #[error("{0}")]
    Denied(String),
}

impl DialError {
    fn unreachable(detail: impl std::fmt::Display) -> Self {
        Self::Unreachable(detail.to_string())
    }

    /// What a connection's end says, or `otherwise` when the peer gave no reason.
    pub(crate) fn of_closed(connection: &Connection, otherwise: &str) -> Self {
        match close_cause(connection) {
            Some((CloseCode::NotMember, reason)) => Self::NotMember(reason),
            Some((CloseCode::Denied, reason)) => Self::Denied(reason),
            Some((_, reason)) => Self::Unreachable(reason),
            None => Self::unreachable(otherwise),
        }
    }
}

impl From<DialError> for CallError {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Unreachable(detail) => Self::Unreachable(detail),
            DialError::NotMember(reason) | DialError::Denied(reason) => Self::Denied(reason),
        }
    }
}

impl Dialer {
    /// Connects and is let in, within the connect timeout.
    pub(crate) async fn dial(
        &self,
        peer: &PeerAddress,
        protocol: Protocol,
    ) -> Result<Connection, DialError> {
        let attempt = async {
            let connection = self.connect(peer, protocol).await?;
            let hello = self.hello(&connection)?;
            match say_hello(&connection, &hello).await {
                Ok(()) => Ok(connection),
                Err(error) => Err(DialError::of_closed(&connection, &error.to_string())),
            }
        };
        let connection = runtime::timeout(self.timings.connect_timeout(), attempt)
            .await
            .map_err(|_| self.timed_out())??;
        self.connections.follow(&connection, protocol);
        Ok(connection)
    }

    /// Connects, without a hello. The caller sets the deadline.
    pub(crate) async fn connect(
        &self,
        peer: &PeerAddress,
        protocol: Protocol,
    ) -> Result<Connection, DialError> {
        if peer.endpoint == endpoint_key(self.endpoint.id()) {
            return Err(DialError::unreachable("that is this process itself"));
        }
        let address = endpoint_addr(peer, self.relay.as_ref())
            .ok_or_else(|| DialError::unreachable("the peer's key is no Ed25519 key"))?;
        if address.is_empty() {
            return Err(DialError::unreachable("no address of the peer is known"));
        }
        let mut attempt = 1;
        loop {
            match self.endpoint.connect(address.clone(), protocol.alpn()).await {
                Ok(connection) => return Ok(connection),
                Err(error) if attempt < HANDSHAKES_PER_DIAL_MAX && is_failed_handshake(&error) => {
                    attempt += 1;
                }
                Err(error) => return Err(DialError::unreachable(format_args!("{error:#}"))),
            }
        }
    }

    fn hello(&self, connection: &Connection) -> Result<Hello, DialError> {
        match &self.identity {
            Identity::Client { cluster, grant } => {
                let credential = match grant {
                    None => Credential::Nothing,
                    Some(grant) => Credential::Grant {
                        claims: grant.claims.clone(),
                        proof: grant.proof(connection),
                    },
                };
                Ok(Hello { cluster: *cluster, credential })
            }
            Identity::Node(node) => {
                let cluster = self.members.cluster();
                let cluster = cluster
                    .ok_or_else(|| DialError::unreachable("this node belongs to no cluster yet"))?;
                Ok(Hello { cluster, credential: Credential::Member { node: *node } })
            }
        }
    }

    fn timed_out(&self) -> DialError {
        let timeout_ms = self.timings.connect_timeout_ms;
        DialError::unreachable(format_args!("no answer within {timeout_ms} ms"))
    }
}

/// Somebody answered, but the handshake failed, as it does with another key than the peer's.
fn is_failed_handshake(error: &ConnectError) -> bool {
    let ConnectError::Connecting { source, .. } = error else { return false };
    matches!(
        source,
        ConnectingError::ConnectionError { source: ConnectionError::TransportError(_), .. }
    )
}

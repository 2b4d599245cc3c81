//! The protocols and their messages.
//!
//! irpc encodes messages with postcard, each after its length as a varint, every request on a
//! stream of its own. Field and variant order is the wire format.

use aspen_core::{
    ClientRequest, ClientResponse, Lane, MESSAGE_BYTES_MAX, PeerRejection, PeerRequest,
};
use bytes::Bytes;
use irpc::channel::{mpsc, oneshot};
use irpc::rpc_requests;
use serde::{Deserialize, Serialize};

/// What a connection is for; the number in its name is the protocol's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    /// Members: heartbeats, votes and log entries.
    Consensus,
    /// Members: snapshots and other bulk.
    Bulk,
    /// Clients, and members that forward requests.
    Client,
    /// Processes that want to become nodes.
    Join,
}

impl Protocol {
    /// Every protocol.
    pub(crate) const ALL: [Self; 4] = [Self::Consensus, Self::Bulk, Self::Client, Self::Join];

    /// The name in the TLS handshake.
    pub(crate) const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Consensus => b"aspen/raft/1",
            Self::Bulk => b"aspen/bulk/1",
            Self::Client => b"aspen/client/1",
            Self::Join => b"aspen/join/1",
        }
    }

    /// The protocol of a name.
    pub(crate) fn from_alpn(alpn: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.alpn() == alpn)
    }

    /// Whether only members may speak it.
    pub(crate) const fn is_members_only(self) -> bool {
        matches!(self, Self::Consensus | Self::Bulk)
    }
}

impl From<Lane> for Protocol {
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Consensus => Self::Consensus,
            Lane::Bulk => Self::Bulk,
        }
    }
}

/// The longest encoded request, in bytes: a message's payload and what frames it.
pub(crate) const REQUEST_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 4 * 1024;

const _: () = assert!(REQUEST_BYTES_MAX < irpc::rpc::MAX_MESSAGE_SIZE as usize);

/// Between members, on [`Protocol::Consensus`] and [`Protocol::Bulk`].
#[rpc_requests(message = PeerMessage)]
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum PeerService {
    /// One message for a group's replica.
    #[rpc(tx = oneshot::Sender<Result<Bytes, PeerRejection>>)]
    Peer(PeerCall),
}

/// A message for a group's replica.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PeerCall(pub(crate) PeerRequest);

/// From clients, on [`Protocol::Client`].
#[rpc_requests(message = ClientMessage)]
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ClientService {
    /// Independent requests. The answers come in the same order, in as many messages as keep each
    /// below the message limit.
    #[rpc(tx = mpsc::Sender<Vec<ClientResponse>>)]
    Batch(BatchCall),
}

/// Independent requests that travel together, at most
/// [`crate::BATCH_REQUESTS_MAX`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BatchCall(#[serde(with = "requests_bound")] pub(crate) Vec<ClientRequest>);

/// Counts while it decodes: a request takes a few bytes in a message and many times that in memory.
mod requests_bound {
    use aspen_core::ClientRequest;
    use aspen_core::codec::bounded;
    use serde::{Deserializer, Serializer};

    use crate::batch::BATCH_REQUESTS_MAX;

    const LIMIT: &str = "BATCH_REQUESTS_MAX";

    pub(super) fn serialize<S: Serializer>(
        requests: &[ClientRequest],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bounded::serialize(requests, serializer, LIMIT, BATCH_REQUESTS_MAX)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<ClientRequest>, D::Error> {
        bounded::deserialize(deserializer, LIMIT, BATCH_REQUESTS_MAX)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use aspen_core::{ControlRequest, codec};

    use super::*;
    use crate::batch::BATCH_REQUESTS_MAX;

    fn batch(requests: usize) -> BatchCall {
        BatchCall(vec![ClientRequest::Control(ControlRequest::Status); requests])
    }

    #[test]
    fn the_largest_batch_is_encoded_as_a_plain_sequence_and_read_back() {
        let full = batch(BATCH_REQUESTS_MAX);
        let bytes = codec::encode(&full).unwrap();
        assert_eq!(bytes, codec::encode(&full.0).unwrap());
        assert_eq!(codec::decode::<BatchCall>(&bytes).unwrap().0, full.0);
    }

    #[test]
    fn a_longer_batch_is_refused_by_its_length_alone() {
        let many = batch(BATCH_REQUESTS_MAX + 1);
        assert!(codec::encode(&many).unwrap_err().to_string().contains("BATCH_REQUESTS_MAX"));
        // Only the announced length is there: no request was read to refuse it.
        let bytes = codec::encode(&many.0).unwrap();
        let request = codec::encode(&many.0[0]).unwrap().len();
        let announced = &bytes[..bytes.len() - many.0.len() * request];
        let error = codec::decode::<BatchCall>(announced).unwrap_err().to_string();
        assert!(error.contains("BATCH_REQUESTS_MAX"), "{error}");
    }
}

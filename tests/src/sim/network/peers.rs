//! The messages of consensus.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    Lane, MESSAGE_BYTES_MAX, NodeId, PeerRejection, PeerRequest, Transport, TransportError, codec,
    runtime,
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::letter::Answer;
use super::{Kind, Party, SimNetwork};

/// One node's way to its peers.
pub(crate) struct PeerTransport {
    pub(crate) network: Arc<SimNetwork>,
    pub(crate) node: NodeId,
}

/// What a node answers to a peer.
pub(super) type PeerAnswer = Result<Bytes, PeerRejection>;

#[async_trait]
impl Transport for PeerTransport {
    async fn call(
        &self,
        target: NodeId,
        _lane: Lane,
        request: PeerRequest,
        timeout: Duration,
    ) -> Result<Bytes, TransportError> {
        let len = request.payload.len();
        if len > MESSAGE_BYTES_MAX {
            return Err(TransportError::TooLarge { len });
        }
        if !self.network.knows_peer(self.node, target) {
            return Err(unreachable(target, "no member of that id is known"));
        }
        let kind = Kind::Peer(request.kind);
        let bytes = codec::encode(&request).map_err(|error| unreachable(target, &error))?;
        let answer = self.network.send(Party::Node(self.node), target, kind, bytes);
        let late = TransportError::Timeout { node: target, timeout_ms: timeout.as_millis() as u64 };
        match runtime::timeout(timeout, answered(answer)).await {
            Err(_) => Err(late),
            Ok(Answer::NobodyThere) => Err(unreachable(target, "connection refused")),
            Ok(Answer::Bytes(bytes)) => match codec::decode::<PeerAnswer>(&bytes) {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(rejection)) => Err(TransportError::Rejected { node: target, rejection }),
                Err(_) => Err(late),
            },
        }
    }
}

/// Waits for an answer, for ever when none can come: that shows only in the time that passes.
async fn answered(answer: oneshot::Receiver<Answer>) -> Answer {
    match answer.await {
        Ok(answer) => answer,
        Err(_) => std::future::pending().await,
    }
}

fn unreachable(node: NodeId, detail: impl ToString) -> TransportError {
    TransportError::Unreachable { node, detail: detail.to_string() }
}

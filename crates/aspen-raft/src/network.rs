//! openraft's messages over the [`Transport`] seam.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{GroupId, Lane, NodeId, PeerRequest, Transport, TransportError, runtime};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, Stream};
use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::RPCOption;
use openraft::raft::{
    SnapshotResponse, TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::append_stream::{self, AppendAnswer};
use crate::coherence::{check_answer, check_answered_vote};
use crate::confirmed::{Confirmations, Confirmed};
use crate::entry_cache::fitting;
use crate::message::{
    self, AppendMessage, AppendReply, MessageKind, TransferMessage, TransferReply, VoteMessage,
    VoteReply,
};
use crate::options::RaftOptions;
use crate::snapshot_data::SnapshotData;
use crate::snapshot_sender::SnapshotSender;
use crate::types::{AppendRequest, AppendResponse, LogId, Member, Snapshot, TypeConfig, Vote};
use crate::wire::Malformed;

/// How many bytes of entries one message may carry; what remains goes with the next. The rest of a
/// message stays for its framing.
const APPEND_BYTES_MAX: usize = 9 * 1024 * 1024;

const _: () = assert!(APPEND_BYTES_MAX + 512 * 1024 < aspen_core::MESSAGE_BYTES_MAX);
const _: () = assert!(aspen_core::TRANSACTION_BYTES_MAX + 512 * 1024 < APPEND_BYTES_MAX);

type RpcResult<T> = Result<T, RPCError<TypeConfig>>;

/// Makes the peers of one group.
pub(crate) struct PeerFactory {
    pub(crate) node: NodeId,
    pub(crate) group: GroupId,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) options: Arc<RaftOptions>,
    pub(crate) confirmations: Confirmations,
}

impl PeerFactory {
    fn peer(&self, target: u64, append_timeout: Duration, confirmed: Arc<Confirmed>) -> Peer {
        Peer {
            link: PeerLink {
                node: self.node,
                group: self.group,
                target: NodeId::new(target),
                transport: self.transport.clone(),
            },
            append_timeout,
            options: self.options.clone(),
            confirmed,
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for PeerFactory {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _node: &Member) -> Peer {
        let confirmed = self.confirmations.of(target);
        self.peer(target, self.options.append_timeout(), confirmed)
    }

    /// Heartbeats carry no entries, so an answer that takes long says that the peer is in trouble.
    /// A follower's heartbeats begin before its entries do.
    async fn new_heartbeat_client(&mut self, target: u64, _node: &Member) -> Peer {
        let confirmed = self.confirmations.renewed(target);
        self.peer(target, self.options.vote_timeout(), confirmed)
    }
}

/// The way to one node for one group.
#[derive(Clone)]
pub(crate) struct PeerLink {
    node: NodeId,
    pub(crate) group: GroupId,
    target: NodeId,
    transport: Arc<dyn Transport>,
}

impl PeerLink {
    /// Sends a message and decodes its answer.
    pub(crate) async fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        lane: Lane,
        kind: MessageKind,
        question: &Q,
        timeout: Duration,
    ) -> RpcResult<A> {
        let payload = message::encode(question).map_err(malformed)?;
        let answer = self.call(lane, kind, payload, timeout).await?;
        message::decode(&answer).map_err(malformed)
    }

    async fn call(
        &self,
        lane: Lane,
        kind: MessageKind,
        payload: Bytes,
        timeout: Duration,
    ) -> RpcResult<Bytes> {
        let request = PeerRequest { group: self.group, kind: kind as u8, payload };
        let answer = self.transport.call(self.target, lane, request, timeout).await;
        answer.map_err(|error| self.rpc_error(kind, error))
    }

    /// A peer that cannot be reached, or holds no replica, is left alone for a while; after a lost
    /// answer the message is sent again at once.
    fn rpc_error(&self, kind: MessageKind, error: TransportError) -> RPCError<TypeConfig> {
        match error {
            TransportError::Timeout { timeout_ms, .. } => RPCError::Timeout(Timeout {
                action: rpc_type(kind),
                id: self.node.get(),
                target: self.target.get(),
                timeout: Duration::from_millis(timeout_ms),
            }),
            TransportError::Unreachable { .. } | TransportError::Rejected { .. } => {
                RPCError::Unreachable(Unreachable::new(&error))
            }
            TransportError::TooLarge { .. } => RPCError::Network(NetworkError::new(&error)),
        }
    }
}

fn malformed(error: Malformed) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::new(&error))
}

fn rpc_type(kind: MessageKind) -> RPCTypes {
    match kind {
        MessageKind::Vote | MessageKind::PreVote => RPCTypes::Vote,
        MessageKind::TransferLeader => RPCTypes::TransferLeader,
        MessageKind::Append | MessageKind::ReadIndex => RPCTypes::AppendEntries,
        MessageKind::SnapshotBegin | MessageKind::SnapshotChunk | MessageKind::SnapshotFinish => {
            RPCTypes::InstallSnapshot
        }
    }
}

/// openraft's client of one node for one group.
pub(crate) struct Peer {
    link: PeerLink,
    append_timeout: Duration,
    options: Arc<RaftOptions>,
    confirmed: Arc<Confirmed>,
}

impl Peer {
    async fn ask_vote(
        &self,
        kind: MessageKind,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        let question = VoteMessage {
            vote: request.vote.into(),
            last_log: request.last_log_id.map(Into::into),
            leadership_transfer: request.leadership_transfer,
        };
        let timeout = option.soft_ttl().min(self.options.vote_timeout());
        let reply: VoteReply = self.link.ask(Lane::Consensus, kind, &question, timeout).await?;
        let (vote, last_log) = (message::vote_of(reply.vote), reply.last_log.map(Into::into));
        check_answered_vote(&vote, &request.vote).map_err(malformed)?;
        Ok(VoteResponse::new(vote, last_log, reply.granted))
    }

    /// Whether a follower can answer this to entries up to `last`, after what it has said before.
    fn check_append_answer(
        &self,
        response: &AppendResponse,
        request: &AppendRequest,
        last: Option<LogId>,
    ) -> Result<(), Malformed> {
        let (leader, previous) = (request.vote.leader_id, request.prev_log_id);
        check_answer(response, &request.vote, (previous, last))?;
        match response {
            AppendResponse::Success => self.confirmed.advance(leader, last),
            AppendResponse::PartialSuccess(upto) => self.confirmed.advance(leader, *upto),
            AppendResponse::Conflict => self.confirmed.check_refusal(leader, previous)?,
            AppendResponse::HigherVote(_) => {}
        }
        Ok(())
    }
}

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = SnapshotData;

    /// The time that a stream of appends has is ours to set; openraft's option only knows the
    /// heartbeat's interval, in which a slow disk cannot take many entries.
    async fn append_entries(
        &mut self,
        mut request: AppendRequest,
        _option: RPCOption,
    ) -> RpcResult<AppendResponse> {
        let count = match runtime::buggify("raft-append-one-entry") {
            true => request.entries.len().min(1),
            false => fitting(request.entries.iter(), APPEND_BYTES_MAX).count(),
        };
        let cut = count < request.entries.len();
        request.entries.truncate(count);
        let question = AppendMessage::from(&request);
        let (lane, kind) = (Lane::Consensus, MessageKind::Append);
        let reply: AppendReply = self.link.ask(lane, kind, &question, self.append_timeout).await?;
        let last = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
        let response = match reply.into() {
            AppendResponse::Success if cut => AppendResponse::PartialSuccess(last),
            response => response,
        };
        self.check_append_answer(&response, &request, last).map_err(malformed)?;
        Ok(response)
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, AppendAnswer>, RPCError<TypeConfig>>>
    where
        S: Stream<Item = AppendRequest> + OptionalSend + Unpin + 'static,
    {
        append_stream::stream_append(self, input, option)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.ask_vote(MessageKind::Vote, request, option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.ask_vote(MessageKind::PreVote, request, option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let sender = SnapshotSender::new(self.link.clone(), self.options.clone());
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sender.send(vote, snapshot) => sent.map(SnapshotResponse::new),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<TransferLeaderResponse<TypeConfig>> {
        let question = TransferMessage {
            from: (*request.from_leader()).into(),
            to: *request.to_node_id(),
            last_log: request.last_log_id().map(|id| (*id).into()),
        };
        let (lane, kind) = (Lane::Consensus, MessageKind::TransferLeader);
        let timeout = option.soft_ttl().min(self.options.vote_timeout());
        let reply: TransferReply = self.link.ask(lane, kind, &question, timeout).await?;
        Ok(match reply {
            TransferReply::Accepted => Ok(()),
            TransferReply::VoteChanged(actual) => Err(TransferLeaderError::VoteChanged {
                expected: *request.from_leader(),
                actual: actual.into(),
            }),
            TransferReply::Behind(actual) => Err(TransferLeaderError::LogNotFlushed {
                expected: request.last_log_id().copied(),
                actual: actual.map(Into::into),
            }),
        })
    }
}

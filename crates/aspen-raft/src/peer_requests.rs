//! Answers the messages of a group's other replicas.

use aspen_core::{NodeId, PeerRejection, PeerRequest, codec, runtime};
use bytes::Bytes;
use openraft::errors::RaftError;
use openraft::raft::{TransferLeaderError, TransferLeaderRequest, VoteRequest, VoteResponse};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::coherence::{check_append, check_candidate, check_committed, check_speaker};
use crate::group::Group;
use crate::message::{
    self, AppendMessage, AppendReply, MessageKind, SnapshotBegin, SnapshotFinish, TransferMessage,
    TransferReply, VoteMessage, VoteReply,
};
use crate::read_rounds::answer_read_index;
use crate::replica::Replica;
use crate::types::{AppendRequest, LogId, TypeConfig, Vote};
use crate::wire::{self, WireLogId, WireVote};

type Answer<T> = Result<T, PeerRejection>;

/// Handles one message for one group. The answer leaves only when everything that was begun before
/// it is durable: see [`crate::durability`].
pub(crate) async fn handle(group: &Group, from: NodeId, request: PeerRequest) -> Answer<Bytes> {
    if group.replica.durability.is_stalled() {
        return Err(PeerRejection::Unavailable("the disk is full".to_owned()));
    }
    let answer = answer(group, from, request).await?;
    if runtime::planted("answer-ahead-of-log") {
        return Ok(answer);
    }
    let settled = group.replica.durability.settle().await;
    settled.map_err(|error| PeerRejection::Unavailable(error.to_string()))?;
    Ok(answer)
}

async fn answer(group: &Group, from: NodeId, request: PeerRequest) -> Answer<Bytes> {
    let kind = MessageKind::try_from(request.kind).map_err(malformed)?;
    let payload = &request.payload;
    let replica = &group.replica;
    match kind {
        MessageKind::Append => reply(&append(group, from, payload).await?),
        MessageKind::Vote => reply(&vote(group, from, payload, false).await?),
        MessageKind::PreVote => reply(&vote(group, from, payload, true).await?),
        MessageKind::TransferLeader => reply(&transfer(group, from, decode(payload)?).await?),
        MessageKind::ReadIndex => reply(&answer_read_index(replica, decode(payload)?).await),
        MessageKind::SnapshotBegin => reply(&begin_snapshot(group, from, decode(payload)?).await?),
        MessageKind::SnapshotChunk => reply(&group.snapshots.chunk(decode(payload)?).await?),
        MessageKind::SnapshotFinish => reply(&install(group, decode(payload)?).await?),
    }
}

async fn append(group: &Group, from: NodeId, payload: &[u8]) -> Answer<AppendReply> {
    let request: AppendRequest = decode::<AppendMessage>(payload)?.try_into().map_err(malformed)?;
    check_speaker(&request.vote, from, group.replica.node).map_err(malformed)?;
    check_append(&request).map_err(malformed)?;
    check_committed(&request, group.replica.known()).map_err(malformed)?;
    let response = group.replica.raft.append_entries(request).await;
    response.map(AppendReply::from).map_err(stopped)
}

async fn vote(group: &Group, from: NodeId, payload: &[u8], only_asks: bool) -> Answer<VoteReply> {
    let question: VoteMessage = decode(payload)?;
    let (vote, last_log) = (question.vote.into(), question.last_log.map(Into::into));
    check_speaker(&vote, from, group.replica.node).map_err(malformed)?;
    check_candidate(&vote, last_log).map_err(malformed)?;
    if group.replica.silence.holds() {
        let detail = "silent for one lease after its restart";
        return Err(PeerRejection::Unavailable(detail.into()));
    }
    let mut request = VoteRequest::new(vote, last_log);
    request.leadership_transfer = question.leadership_transfer;
    let raft = &group.replica.raft;
    let response = match only_asks {
        true => raft.pre_vote(request).await,
        false => raft.vote(request).await,
    };
    response.map(vote_reply).map_err(stopped)
}

fn vote_reply(response: VoteResponse<TypeConfig>) -> VoteReply {
    VoteReply {
        vote: response.vote.into(),
        granted: response.vote_granted,
        last_log: response.last_log_id.map(WireLogId::from),
    }
}

async fn transfer(group: &Group, from: NodeId, message: TransferMessage) -> Answer<TransferReply> {
    let leader = message.from.into();
    check_speaker(&leader, from, group.replica.node).map_err(malformed)?;
    if group.replica.silence.holds() {
        let detail = "silent for one lease after its restart";
        return Err(PeerRejection::Unavailable(detail.into()));
    }
    let last_log = message.last_log.map(Into::into);
    let request = TransferLeaderRequest::new(leader, message.to, last_log);
    let response = group.replica.raft.handle_transfer_leader(request).await;
    match response.map_err(|fatal| PeerRejection::Unavailable(fatal.to_string()))? {
        Ok(()) => Ok(TransferReply::Accepted),
        Err(TransferLeaderError::VoteChanged { actual, .. }) => {
            Ok(TransferReply::VoteChanged(actual.into()))
        }
        Err(TransferLeaderError::LogNotFlushed { actual, .. }) => {
            Ok(TransferReply::Behind(actual.map(WireLogId::from)))
        }
    }
}

async fn begin_snapshot(group: &Group, from: NodeId, begin: SnapshotBegin) -> Answer<()> {
    let replica = &group.replica;
    check_speaker(&begin.vote.into(), from, replica.node).map_err(malformed)?;
    group.snapshots.begin(begin, replica.state.incoming_path(), replica.known()).await
}

async fn install(group: &Group, finish: SnapshotFinish) -> Answer<WireVote> {
    let (vote, snapshot) = group.snapshots.finish(finish, group.id()).await?;
    if let Some(last) = snapshot.meta.last_log_id
        && has_log_of(&group.replica, &vote, last).await
    {
        return Ok(vote.into());
    }
    let response = group.replica.raft.install_full_snapshot(vote, snapshot).await;
    let response = response.map_err(|fatal| PeerRejection::Unavailable(fatal.to_string()))?;
    Ok(response.vote.into())
}

/// Whether the log, as a restart would find it, is this leader's up to an entry. Then so is all of
/// it that lies before (log matching, Raft paper, section 5.3), and a snapshot of that brings
/// nothing; openraft would take what comes after it for not yet submitted.
async fn has_log_of(replica: &Replica, leader: &Vote, last: LogId) -> bool {
    let vote = replica.log.vote().and_then(|bytes| codec::decode::<WireVote>(&bytes).ok());
    if vote.map(Vote::from).as_ref() != Some(leader) {
        return false;
    }
    let records = replica.log.read(last.index..last.index + 1, usize::MAX).await;
    let entry = records.ok().and_then(|records| wire::from_record(records.first()?).ok());
    entry.is_some_and(|entry| entry.log_id == last)
}

fn decode<T: DeserializeOwned>(payload: &[u8]) -> Answer<T> {
    message::decode(payload).map_err(malformed)
}

fn reply<T: Serialize>(answer: &T) -> Answer<Bytes> {
    message::encode(answer).map_err(malformed)
}

fn malformed(error: impl ToString) -> PeerRejection {
    PeerRejection::Malformed(error.to_string())
}

fn stopped(error: RaftError<TypeConfig>) -> PeerRejection {
    PeerRejection::Unavailable(error.to_string())
}

//! Rounds of confirming the read index: one at a time, shared by all who wait.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    Key, Lane, NodeId, PeerRequest, ReadError, ReadReply, Revision, TransportError, runtime,
};
use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::sync::{mpsc, oneshot};

use crate::in_flight::{InFlight, Ticket};
use crate::message::{self, MessageKind, ReadIndexMessage, ReadIndexReply};
use crate::reader::in_time;
use crate::replica::Replica;
use crate::types::TypeConfig;

type Keys = Vec<Key>;
pub(crate) type ReadResults = Vec<Result<ReadReply, ReadError>>;

/// How many requests one call of the state machine reads. More pays the hop to a reader thread less
/// often; fewer lets more threads share the work.
const READ_REQUESTS_MAX: usize = 64;

/// How long a follower waits for its leader's read index before it looks who leads now.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How late a round is that a simulation holds up.
const LATE: Duration = Duration::from_millis(300);

/// The fence that reads of one freshness pass.
pub(crate) struct ReadRounds {
    queue: mpsc::Sender<Waiter>,
    waiting: Arc<InFlight>,
}

/// One call that waits for the next round.
struct Waiter {
    wish: Wish,
    ticket: Ticket,
}

enum Wish {
    /// Only to know that the state is fresh enough.
    Pass(oneshot::Sender<Result<(), ReadError>>),
    /// To read as soon as it is.
    Read(Vec<Keys>, oneshot::Sender<ReadResults>),
}

impl ReadRounds {
    /// Starts the task of the rounds; it ends when this is dropped.
    pub(crate) fn start(replica: Arc<Replica>, lease: bool) -> Self {
        let waiting = InFlight::new(replica.options.reads_waiting_max);
        // What waits is counted, so the queue is never full.
        let (queue, receiver) = mpsc::channel(waiting.max());
        runtime::spawn(run(replica, receiver, lease));
        Self { queue, waiting }
    }

    /// Joins the next round. Returns once this replica's state is fresh enough.
    pub(crate) async fn pass(&self) -> Result<(), ReadError> {
        let (answer, passed) = oneshot::channel();
        self.join(Wish::Pass(answer))?;
        passed.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Joins the next round and reads after it, together with all others of the round.
    pub(crate) async fn read(&self, requests: Vec<Keys>) -> ReadResults {
        let count = requests.len();
        let (answer, results) = oneshot::channel();
        match self.join(Wish::Read(requests, answer)) {
            Ok(()) => results.await.unwrap_or_else(|_| vec![Err(stopped()); count]),
            Err(error) => vec![Err(error); count],
        }
    }

    fn join(&self, wish: Wish) -> Result<(), ReadError> {
        let ticket = self.waiting.enter(1).ok_or_else(|| {
            let max = self.waiting.max();
            ReadError::Overloaded(format!("{max} reads are waiting (reads_waiting_max)"))
        })?;
        let waiter = Waiter { wish, ticket };
        self.queue.try_send(waiter).map_err(|_| stopped())
    }
}

fn stopped() -> ReadError {
    ReadError::Unavailable("the group has stopped".into())
}

async fn run(replica: Arc<Replica>, mut queue: mpsc::Receiver<Waiter>, lease: bool) {
    let waiting_max = replica.options.reads_waiting_max;
    let mut waiters = Vec::new();
    // Whoever arrives from here on may not use this round: its index may be older than their read.
    while queue.recv_many(&mut waiters, waiting_max).await > 0 {
        let result = in_time(&replica, round(&replica, lease)).await;
        serve(&replica, result, waiters.drain(..));
    }
}

/// Answers everyone of a round. Reads go on beside the next round.
fn serve(
    replica: &Arc<Replica>,
    result: Result<(), ReadError>,
    waiters: impl Iterator<Item = Waiter>,
) {
    let mut batch = ReadBatch::default();
    for waiter in waiters {
        match (waiter.wish, &result) {
            // Nobody misses an answer to a caller that has gone.
            (Wish::Pass(answer), _) => drop(answer.send(result.clone())),
            (Wish::Read(requests, answer), Err(error)) => {
                drop(answer.send(vec![Err(error.clone()); requests.len()]));
            }
            (Wish::Read(requests, answer), Ok(())) => {
                batch.add(requests, answer, waiter.ticket);
                if batch.requests.len() >= READ_REQUESTS_MAX {
                    runtime::spawn(std::mem::take(&mut batch).carry_out(replica.clone()));
                }
            }
        }
    }
    if !batch.requests.is_empty() {
        runtime::spawn(batch.carry_out(replica.clone()));
    }
}

/// Reads of several calls that one call of the state machine serves.
#[derive(Default)]
struct ReadBatch {
    requests: Vec<(Keys, Option<Revision>)>,
    callers: Vec<(usize, oneshot::Sender<ReadResults>, Ticket)>,
}

impl ReadBatch {
    fn add(&mut self, requests: Vec<Keys>, answer: oneshot::Sender<ReadResults>, ticket: Ticket) {
        self.callers.push((requests.len(), answer, ticket));
        self.requests.extend(requests.into_iter().map(|keys| (keys, None)));
    }

    async fn carry_out(self, replica: Arc<Replica>) {
        let replies = replica.state.read(self.requests).await;
        // Every caller gets one result per request, whatever the state machine does.
        let missing = || Err(ReadError::Bug("a read has no result".into()));
        let replies = replies.into_iter().map(|reply| reply.map_err(ReadError::from));
        let mut replies = replies.chain(std::iter::repeat_with(missing));
        for (count, answer, _ticket) in self.callers {
            drop(answer.send(replies.by_ref().take(count).collect()));
        }
    }
}

/// Finds the read index and waits until it is applied here.
async fn round(replica: &Replica, lease: bool) -> Result<(), ReadError> {
    if replica.is_stopping() {
        return Err(ReadError::Unavailable("the node is stopping".into()));
    }
    if runtime::planted("read-without-read-index") {
        return Ok(());
    }
    if runtime::buggify("raft-read-index-late") {
        runtime::sleep(LATE).await;
    }
    let index = match replica.is_leader() {
        true => local_index(replica, lease).await.map_err(|error| read_error(replica, error))?,
        false => remote_index(replica, lease).await?,
    };
    replica.applied.reach(index).await;
    Ok(())
}

/// The read index of a leader.
pub(crate) async fn local_index(
    replica: &Replica,
    lease: bool,
) -> Result<u64, RaftError<TypeConfig, LinearizableReadError<TypeConfig>>> {
    if lease {
        // A lease that lapsed, or that a fresh leader does not have yet, costs a round after all.
        if let Ok(linearizer) = replica.raft.get_read_linearizer(ReadPolicy::LeaseRead).await {
            return Ok(linearizer.read_log_id().index());
        }
    }
    let linearizer = replica.raft.get_read_linearizer(ReadPolicy::ReadIndex).await?;
    Ok(linearizer.read_log_id().index())
}

fn read_error(
    replica: &Replica,
    error: RaftError<TypeConfig, LinearizableReadError<TypeConfig>>,
) -> ReadError {
    match error {
        RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)) => {
            replica.redirect(forward.leader_id, forward.leader_node.as_ref()).into()
        }
        RaftError::APIError(LinearizableReadError::QuorumNotEnough(error)) => {
            ReadError::Unavailable(error.to_string())
        }
        RaftError::Fatal(fatal) => ReadError::Unavailable(fatal.to_string()),
    }
}

/// The leader's read index, asked over the network. When no answer comes, the leader may have died
/// and another been elected meanwhile: ask again, until the round's time is over.
async fn remote_index(replica: &Replica, lease: bool) -> Result<u64, ReadError> {
    loop {
        let this = replica.node;
        let leader = replica.leader().filter(|leader| *leader != this);
        let Some(leader) = leader else { return Err(replica.not_leader().into()) };
        match ask_leader(replica, leader, lease).await {
            Err(ReadError::Timeout(_)) => {}
            answer => return answer,
        }
    }
}

async fn ask_leader(replica: &Replica, leader: NodeId, lease: bool) -> Result<u64, ReadError> {
    let payload = message::encode(&ReadIndexMessage { lease });
    let payload = payload.map_err(|error| ReadError::Bug(error.to_string()))?;
    let kind = MessageKind::ReadIndex as u8;
    let request = PeerRequest { group: replica.group, kind, payload };
    let timeout = replica.options.read_timeout().min(ASK_AGAIN);
    let answer = replica.transport.call(leader, Lane::Consensus, request, timeout).await;
    let answer = answer.map_err(|error| unreachable_leader(leader, &error))?;
    match message::decode(&answer).map_err(|error| ReadError::Bug(error.to_string()))? {
        ReadIndexReply::Index(index) => Ok(index),
        ReadIndexReply::NotLeader(known) => Err(replica.redirect(known, None).into()),
        ReadIndexReply::NoQuorum(detail) => Err(ReadError::Unavailable(detail)),
    }
}

fn unreachable_leader(leader: NodeId, error: &TransportError) -> ReadError {
    match error {
        TransportError::Timeout { .. } => ReadError::Timeout(error.to_string()),
        _ => ReadError::Unavailable(format!("leader {leader} gives no read index: {error}")),
    }
}

/// Answers a follower that asks for the read index.
pub(crate) async fn answer_read_index(
    replica: &Replica,
    question: ReadIndexMessage,
) -> ReadIndexReply {
    match local_index(replica, question.lease).await {
        Ok(index) => ReadIndexReply::Index(index),
        Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
            ReadIndexReply::NotLeader(forward.leader_id)
        }
        Err(error) => ReadIndexReply::NoQuorum(error.to_string()),
    }
}

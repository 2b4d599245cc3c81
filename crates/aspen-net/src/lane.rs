//! One lane's queue, and the pumps that empty it.

use std::collections::VecDeque;
use std::sync::Arc;

use aspen_core::runtime::{self, Instant};
use aspen_core::{ClientRequest, ClientResponse};
use irpc::Client;
use irpc::channel::mpsc;
use irpc_iroh::IrohRemoteConnection;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::CallError;
use crate::batch::{
    BATCH_BYTES_MAX, BATCH_REQUESTS_MAX, BATCHES_IN_FLIGHT_MAX, QUEUE_REQUESTS_MAX,
};
use crate::deadline::within;
use crate::dial::DialError;
use crate::protocol::{BatchCall, ClientService};
use crate::slot::Slot;

/// How many batches are sent however few requests wait. More shortens the wait of a request that
/// finds others under way; fewer makes fuller batches under a medium load.
const EAGER_BATCHES: usize = 2;

/// How many waiting requests justify one more batch.
const FULL_ENOUGH_REQUESTS: usize = 32;

/// Requests that may share batches.
pub(crate) struct Lane {
    slot: Arc<Slot>,
    queue: Mutex<Queue>,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Pending>,
    /// Tasks that take from the queue; 0 only when nothing waits.
    pumps: usize,
    next: u64,
}

impl Queue {
    /// Two batches are always let go, so that one is prepared while the other is answered. More
    /// than that only pays when they are well filled: every batch costs both sides the same.
    fn wants_pump(&self) -> bool {
        let is_worth_it = self.pumps < EAGER_BATCHES || self.waiting.len() >= FULL_ENOUGH_REQUESTS;
        self.pumps < BATCHES_IN_FLIGHT_MAX && is_worth_it
    }
}

struct Pending {
    id: u64,
    request: ClientRequest,
    bytes: usize,
    waiter: Waiter,
}

struct Waiter {
    deadline: Instant,
    reply: oneshot::Sender<Result<ClientResponse, CallError>>,
    _room: OwnedSemaphorePermit,
}

impl Waiter {
    fn answer(self, result: Result<ClientResponse, CallError>) {
        // A caller that gave up is no failure of ours.
        let _ = self.reply.send(result);
    }
}

impl Lane {
    /// An empty lane over the slot's connection.
    pub(crate) fn new(slot: Arc<Slot>) -> Arc<Self> {
        let room = Arc::new(Semaphore::new(QUEUE_REQUESTS_MAX));
        Arc::new(Self { slot, queue: Mutex::default(), room })
    }

    /// Whether nothing waits for the node.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.lock().pumps == 0
    }

    /// Sends a request of at most `bytes` encoded bytes and waits for its answer.
    pub(crate) async fn call(
        self: &Arc<Self>,
        request: ClientRequest,
        bytes: usize,
        deadline: Instant,
    ) -> Result<ClientResponse, CallError> {
        let room = within(deadline, Arc::clone(&self.room).acquire_owned()).await;
        let Some(Ok(room)) = room else { return Err(not_sent()) };
        let (reply, answer) = oneshot::channel();
        let id = self.enqueue(request, bytes, Waiter { deadline, reply, _room: room });
        match within(deadline, answer).await {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(CallError::Lost("the endpoint is closing".to_owned())),
            None if self.withdraw(id) => Err(not_sent()),
            None => Err(CallError::Timeout),
        }
    }

    fn enqueue(self: &Arc<Self>, request: ClientRequest, bytes: usize, waiter: Waiter) -> u64 {
        let mut queue = self.queue.lock();
        let id = queue.next;
        queue.next += 1;
        queue.waiting.push_back(Pending { id, request, bytes, waiter });
        if queue.wants_pump() {
            queue.pumps += 1;
            runtime::spawn(Arc::clone(self).pump());
        }
        id
    }

    /// Takes a request back; false when a batch already took it.
    fn withdraw(&self, id: u64) -> bool {
        let mut queue = self.queue.lock();
        match queue.waiting.iter().position(|pending| pending.id == id) {
            Some(at) => queue.waiting.remove(at).is_some(),
            None => false,
        }
    }

    async fn pump(self: Arc<Self>) {
        while let Some((requests, waiters)) = self.take_batch() {
            self.exchange(requests, waiters).await;
        }
    }

    /// What waits, up to a batch; `None` ends the pump that asks.
    fn take_batch(&self) -> Option<(Vec<ClientRequest>, VecDeque<Waiter>)> {
        let mut queue = self.queue.lock();
        let (mut requests, mut waiters, mut bytes) = (Vec::new(), VecDeque::new(), 0);
        while let Some(pending) = queue.waiting.pop_front() {
            if pending.waiter.reply.is_closed() {
                continue;
            }
            let is_full = requests.len() == BATCH_REQUESTS_MAX
                || bytes + pending.bytes > BATCH_BYTES_MAX && !requests.is_empty();
            if is_full {
                queue.waiting.push_front(pending);
                break;
            }
            bytes += pending.bytes;
            requests.push(pending.request);
            waiters.push_back(pending.waiter);
        }
        if requests.is_empty() {
            queue.pumps -= 1;
            return None;
        }
        Some((requests, waiters))
    }

    async fn exchange(&self, requests: Vec<ClientRequest>, mut waiters: VecDeque<Waiter>) {
        // The last deadline: a waiter whose own passes sooner stops waiting by itself.
        let Some(deadline) = waiters.iter().map(|waiter| waiter.deadline).max() else { return };
        let failure = match within(deadline, self.slot.connection()).await {
            None => Some(not_sent()),
            Some(Err(error)) => Some(error.into()),
            Some(Ok(connection)) => {
                let answered = exchange_on(&connection, requests, &mut waiters);
                match within(deadline, answered).await {
                    None => Some(CallError::Timeout),
                    Some(result) => result.err(),
                }
            }
        };
        let failure = failure.unwrap_or_else(|| lost("the node answered too few requests"));
        waiters.into_iter().for_each(|waiter| waiter.answer(Err(failure.clone())));
    }
}

/// Sends a batch and hands out its answers, in order; waiters that are left got none.
async fn exchange_on(
    connection: &iroh::endpoint::Connection,
    requests: Vec<ClientRequest>,
    waiters: &mut VecDeque<Waiter>,
) -> Result<(), CallError> {
    let mut answers = begin(connection, requests).await?;
    while !waiters.is_empty() {
        match answers.recv().await {
            Ok(Some(responses)) => {
                for response in responses {
                    let Some(waiter) = waiters.pop_front() else { break };
                    waiter.answer(Ok(response));
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => return Err(ended(connection, &error)),
        }
    }
    Ok(())
}

/// Sends one request and waits for its answer.
pub(crate) async fn exchange_one(
    connection: &iroh::endpoint::Connection,
    request: ClientRequest,
) -> Result<ClientResponse, CallError> {
    let mut answers = begin(connection, vec![request]).await?;
    match answers.recv().await {
        Ok(Some(mut responses)) => {
            responses.pop().ok_or_else(|| lost("the node answered too few requests"))
        }
        Ok(None) => Err(lost("the node answered too few requests")),
        Err(error) => Err(ended(connection, &error)),
    }
}

/// Sends a batch.
async fn begin(
    connection: &iroh::endpoint::Connection,
    requests: Vec<ClientRequest>,
) -> Result<mpsc::Receiver<Vec<ClientResponse>>, CallError> {
    let client = Client::<ClientService>::boxed(IrohRemoteConnection::new(connection.clone()));
    match client.server_streaming(BatchCall(requests), 1).await {
        Ok(answers) => Ok(answers),
        Err(irpc::Error::Request { .. }) => {
            Err(DialError::of_closed(connection, "the connection has ended").into())
        }
        Err(error) => Err(ended(connection, &error)),
    }
}

/// The connection ended after the batch was sent, at least in part.
fn ended(connection: &iroh::endpoint::Connection, error: &dyn std::error::Error) -> CallError {
    match DialError::of_closed(connection, "") {
        // A node that denies the connection handles nothing of it from then on, but batches that
        // it took before may have been handled.
        DialError::Denied(reason) | DialError::NotMember(reason) => CallError::Lost(reason),
        DialError::Unreachable(reason) if reason.is_empty() => CallError::Lost(chain(error)),
        DialError::Unreachable(reason) => CallError::Lost(reason),
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn lost(detail: &str) -> CallError {
    CallError::Lost(detail.to_owned())
}

pub(crate) fn not_sent() -> CallError {
    CallError::Unreachable("the request was not sent before its deadline".to_owned())
}

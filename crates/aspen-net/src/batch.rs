//! Coalesces concurrent calls to one node into batches.
//!
//! A call joins its lane's queue. Up to [`BATCHES_IN_FLIGHT_MAX`] pumps per lane take what waits,
//! as one batch each, and come back for more until nothing waits: one caller alone never waits for
//! company, and many callers share the cost of a stream. Beyond two, a pump starts only when enough
//! waits to fill its batch well.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::Instant;
use aspen_core::{ClientRequest, ClientResponse, Consistency, LeaseRequest, MESSAGE_BYTES_MAX};
use tokio::sync::Semaphore;

use crate::CallError;
use crate::deadline::{deadline_after, within};
use crate::lane::{Lane, exchange_one, not_sent};
use crate::size::request_bytes_max;
use crate::slot::Slot;

/// How many requests travel in one batch. A longer batch costs less per request; in a shorter one
/// a request waits for fewer others.
pub const BATCH_REQUESTS_MAX: usize = 128;

/// How many bytes a batch of more than one request carries.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// How many batches of one lane wait for their answers at a time. More hides more of the round
/// trip; fewer makes fuller batches.
pub const BATCHES_IN_FLIGHT_MAX: usize = 4;

/// How many requests of one lane may wait, sent or not; further callers wait for room.
pub const QUEUE_REQUESTS_MAX: usize = 4096;

/// How many calls that are answered when something happens wait at one node; further ones wait for
/// room. A client has one or two.
const CALLS_ALONE_MAX: usize = 64;

const _: () = assert!(BATCH_REQUESTS_MAX * BATCHES_IN_FLIGHT_MAX <= QUEUE_REQUESTS_MAX);
const _: () = assert!(BATCH_BYTES_MAX < MESSAGE_BYTES_MAX);

/// What a request waits with: a batch is answered as a whole, so requests that wait for different
/// things (a log write, a quorum, nothing) must not share one.
#[derive(Clone, Copy, Debug)]
enum LaneKind {
    Write,
    Read,
    LocalRead,
    Other,
}

const LANES: usize = 4;

impl LaneKind {
    fn of(request: &ClientRequest) -> Self {
        match request {
            ClientRequest::Propose { .. } => Self::Write,
            ClientRequest::Read { request, .. } => match request.consistency {
                Consistency::Linearizable | Consistency::Lease => Self::Read,
                Consistency::Stale | Consistency::AtRevision(_) => Self::LocalRead,
            },
            ClientRequest::Lease { request: LeaseRequest::KeepAlive { .. }, .. } => Self::Read,
            ClientRequest::Scan { .. }
            | ClientRequest::Control(_)
            | ClientRequest::Lease { .. }
            | ClientRequest::Watch { .. }
            | ClientRequest::Sql { .. } => Self::Other,
        }
    }
}

/// The calls to one node.
pub(crate) struct Batcher {
    slot: Arc<Slot>,
    lanes: [Arc<Lane>; LANES],
    alone: Semaphore,
}

impl Batcher {
    /// Calls over the slot's connection.
    pub(crate) fn new(slot: Arc<Slot>) -> Arc<Self> {
        let lanes = std::array::from_fn(|_| Lane::new(Arc::clone(&slot)));
        Arc::new(Self { slot, lanes, alone: Semaphore::new(CALLS_ALONE_MAX) })
    }

    /// The connection that the calls use.
    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Whether no call waits and no connection is open.
    pub(crate) fn is_unused(&self) -> bool {
        let alone = self.alone.available_permits() < CALLS_ALONE_MAX;
        let idle = !alone && self.lanes.iter().all(|lane| lane.is_idle());
        idle && self.slot.is_down()
    }

    /// Sends one request and waits for its answer.
    pub(crate) async fn call(
        &self,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError> {
        let bytes = request_bytes_max(&request);
        if bytes > MESSAGE_BYTES_MAX {
            return Err(CallError::TooLarge { len: bytes });
        }
        if matches!(request, ClientRequest::Watch { .. } | ClientRequest::Sql { .. }) {
            return self.call_alone(request, deadline_after(timeout)).await;
        }
        let lane = &self.lanes[LaneKind::of(&request) as usize];
        lane.call(request, bytes, deadline_after(timeout)).await
    }

    /// Sends a request that is answered when something happens, or that may take long: it shares a
    /// batch with nothing and takes no place in a lane.
    async fn call_alone(
        &self,
        request: ClientRequest,
        deadline: Instant,
    ) -> Result<ClientResponse, CallError> {
        let room = within(deadline, self.alone.acquire()).await;
        let Some(Ok(_room)) = room else { return Err(not_sent()) };
        let connection = match within(deadline, self.slot.connection()).await {
            None => return Err(not_sent()),
            Some(connection) => connection?,
        };
        within(deadline, exchange_one(&connection, request))
            .await
            .unwrap_or(Err(CallError::Timeout))
    }
}

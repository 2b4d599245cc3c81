//! What every handle of one client shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aspen_core::{GroupId, SESSION_WINDOW_MAX, ShardId};
use aspen_net::Ticket;
use tokio::sync::Semaphore;

use crate::refresh::RefreshGate;
use crate::routes::Routes;
use crate::session::Sessions;
use crate::watching::Hub;
use crate::{Channel, ClientOptions};

pub(crate) struct Shared {
    pub(crate) channel: Arc<dyn Channel>,
    pub(crate) options: ClientOptions,
    pub(crate) routes: Routes,
    pub(crate) sessions: Sessions,
    pub(crate) refresh: RefreshGate,
    pub(crate) hub: Hub,
    /// One permit per write in flight.
    pub(crate) writes: Semaphore,
    /// One permit per read or scan in flight.
    pub(crate) reads: Semaphore,
    closed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(channel: Arc<dyn Channel>, ticket: &Ticket, options: ClientOptions) -> Self {
        // Beyond the session's window the group would refuse writes that are only early.
        let window = usize::try_from(SESSION_WINDOW_MAX).unwrap_or(usize::MAX) - 1;
        Self {
            channel,
            routes: Routes::new(ticket),
            sessions: Sessions::default(),
            refresh: RefreshGate::default(),
            hub: Hub::default(),
            writes: Semaphore::new(options.writes_in_flight_max.clamp(1, window)),
            reads: Semaphore::new(options.reads_in_flight_max.clamp(1, Semaphore::MAX_PERMITS)),
            options,
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.hub.wake();
    }
}

/// The group that holds a key or range: today there is one shard.
pub(crate) fn group_for() -> GroupId {
    GroupId::shard(ShardId::new(0))
}

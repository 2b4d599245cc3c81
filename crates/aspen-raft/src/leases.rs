//! The leader's clock for leases: when they end, and what is promised to those who hold them.
//!
//! Only a leader knows deadlines. It promises a holder that its lease lives for a whole TTL from
//! the time at which a keep-alive *arrived*, and only after a quorum has confirmed, later than
//! that, that it still leads (the round that linearizable reads use). A leader that comes after was
//! elected later still, and gives every lease its whole TTL anew, with the longest election time on
//! top for those who could reach nobody meanwhile. So no leader ends a lease before a promise of
//! another has passed, whatever their clocks show: each only measures durations.
//!
//! An end is proposed for the leader's own term only, so that no proposal outlives what its leader
//! knew. From then on nothing keeps the lease alive until it is certain whether it has ended.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, Instant, watch};
use aspen_core::{
    LEASE_LIST_MAX, LeaseId, LeaseRequest, LeaseResponse, LeaseStatus, READ_KEYS_MAX, ReadError,
    SCAN_BYTES_MAX,
};
use aspen_storage::{LeaseNews, LeaseTerms, StateError};
use parking_lot::Mutex;

use crate::lease_deadlines::{Kept, LeaseDeadlines};
use crate::reader::{Reader, in_time};
use crate::replica::Replica;
use crate::types::LeaderId;

/// What this replica knows of its group's leases while it leads.
pub(crate) struct LeaseKeeper {
    pub(crate) replica: Arc<Replica>,
    reign: Mutex<Option<Reign>>,
    /// Held while news are taken in, so that they are in order.
    learning: tokio::sync::Mutex<()>,
    /// Wakes those who wait for a reign to begin or for the end of a lease to be certain.
    pub(crate) moved: watch::Sender<()>,
}

/// One term as leader, from when everything before it is applied.
struct Reign {
    leader: LeaderId,
    deadlines: LeaseDeadlines,
    /// All leases must be loaded: too much has happened to be told one by one.
    stale: bool,
}

impl LeaseKeeper {
    /// A keeper of a replica that does not lead yet.
    pub(crate) fn new(replica: Arc<Replica>) -> Self {
        let moved = watch::Sender::new(());
        Self { replica, reign: Mutex::default(), learning: tokio::sync::Mutex::default(), moved }
    }

    /// Begins to keep the deadlines of leases that were loaded at the beginning of a term.
    pub(crate) fn begin(&self, leader: LeaderId, leases: Vec<(LeaseId, LeaseTerms)>) {
        let grace = Duration::from_millis(self.replica.options.election_ms_max);
        let mut deadlines = LeaseDeadlines::default();
        match runtime::planted("lease-expires-early") {
            true => deadlines.load(without_time(leases), runtime::now()),
            false => deadlines.load(leases, runtime::now() + grace),
        }
        *self.reign.lock() = Some(Reign { leader, deadlines, stale: false });
        self.moved.send_replace(());
    }

    /// Forgets everything: this replica leads no more.
    pub(crate) fn end(&self) {
        *self.reign.lock() = None;
        self.replica.state.lease_feed().ignore();
        self.moved.send_replace(());
    }

    /// Looks at the deadlines of the present reign.
    pub(crate) fn with_deadlines<T>(
        &self,
        look: impl FnOnce(&mut LeaseDeadlines) -> T,
    ) -> Option<T> {
        self.reign.lock().as_mut().map(|reign| look(&mut reign.deadlines))
    }

    /// Takes in which leases were granted and have ended since the last time. Whoever was answered
    /// before finds it done.
    pub(crate) async fn learn(&self) -> Result<(), StateError> {
        let _in_order = self.learning.lock().await;
        let feed = self.replica.state.lease_feed();
        let news = feed.take();
        let stale = self.reign.lock().as_mut().is_some_and(|reign| {
            match news {
                LeaseNews::Everything => reign.stale = true,
                LeaseNews::Changes(changes) => reign.deadlines.learn(changes, runtime::now()),
            }
            reign.stale
        });
        if stale {
            let leases = self.replica.state.leases().await?;
            if let Some(reign) = self.reign.lock().as_mut() {
                reign.deadlines.load(leases, runtime::now());
                reign.stale = false;
            }
        }
        Ok(())
    }

    /// Answers a request about leases.
    pub(crate) async fn answer(
        &self,
        reader: &Reader,
        request: LeaseRequest,
    ) -> Result<LeaseResponse, ReadError> {
        let arrived = runtime::now();
        request.validate()?;
        in_time(&self.replica, self.answer_in_reign(reader, request, arrived)).await
    }

    async fn answer_in_reign(
        &self,
        reader: &Reader,
        request: LeaseRequest,
        arrived: Instant,
    ) -> Result<LeaseResponse, ReadError> {
        let leader = self.wait_to_reign().await?;
        reader.confirm().await?;
        // Leadership of a term that is lost never comes back, so the round was about this one.
        self.check_reign(leader)?;
        self.learn().await?;
        match request {
            LeaseRequest::KeepAlive { leases } => {
                let kept = self.keep_alive(leader, &leases, arrived).await?;
                Ok(LeaseResponse::KeptAlive(kept))
            }
            LeaseRequest::TimeToLive { lease, with_keys } => {
                let keys_max = if with_keys { READ_KEYS_MAX } else { 0 };
                Ok(LeaseResponse::TimeToLive(self.status(lease, keys_max).await?))
            }
            LeaseRequest::List { after } => {
                let listed = self.with_deadlines(|it| it.list(after, LEASE_LIST_MAX));
                let (leases, more) = listed.ok_or_else(|| self.not_leader())?;
                Ok(LeaseResponse::List { leases, more })
            }
        }
    }

    /// Waits until this replica, which leads, knows all leases of its term.
    async fn wait_to_reign(&self) -> Result<LeaderId, ReadError> {
        let mut moved = self.moved.subscribe();
        loop {
            let leader = leading(&self.replica).ok_or_else(|| self.not_leader())?;
            if self.reign.lock().as_ref().is_some_and(|reign| reign.leader == leader) {
                return Ok(leader);
            }
            moved.changed().await.map_err(|_| stopped())?;
        }
    }

    fn check_reign(&self, leader: LeaderId) -> Result<(), ReadError> {
        let reigns = self.reign.lock().as_ref().is_some_and(|reign| reign.leader == leader);
        match reigns && leading(&self.replica) == Some(leader) {
            true => Ok(()),
            false => Err(self.not_leader()),
        }
    }

    fn not_leader(&self) -> ReadError {
        self.replica.not_leader().into()
    }

    /// Gives leases their TTL again. Waits for those whose end is being decided.
    async fn keep_alive(
        &self,
        leader: LeaderId,
        leases: &[LeaseId],
        arrived: Instant,
    ) -> Result<Vec<Option<u64>>, ReadError> {
        let mut moved = self.moved.subscribe();
        loop {
            self.check_reign(leader)?;
            let kept = self.with_deadlines(|deadlines| {
                let mut keep = |lease: &LeaseId| deadlines.keep_alive(*lease, arrived);
                leases.iter().map(&mut keep).collect::<Vec<Kept>>()
            });
            let kept = kept.ok_or_else(|| self.not_leader())?;
            if !kept.contains(&Kept::Ending) {
                return Ok(kept.into_iter().map(ttl_of).collect());
            }
            moved.changed().await.map_err(|_| stopped())?;
        }
    }

    async fn status(
        &self,
        lease: LeaseId,
        keys_max: usize,
    ) -> Result<Option<LeaseStatus>, ReadError> {
        let Some(leased) = self.replica.state.leased(lease, keys_max).await? else {
            return Ok(None);
        };
        let remaining = self.with_deadlines(|it| it.remaining(lease, runtime::now()));
        let Some((ttl_ms, left)) = remaining.ok_or_else(|| self.not_leader())? else {
            return Ok(None);
        };
        let mut bytes = 0;
        let mut keys = leased.keys;
        keys.retain(|key| {
            bytes += key.as_bytes().len();
            bytes <= SCAN_BYTES_MAX
        });
        let remaining_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let keys_attached = leased.count as u64;
        Ok(Some(LeaseStatus { lease, ttl_ms, remaining_ms, keys_attached, keys }))
    }
}

fn ttl_of(kept: Kept) -> Option<u64> {
    match kept {
        Kept::Alive(ttl_ms) => Some(ttl_ms),
        Kept::Gone | Kept::Ending => None,
    }
}

fn stopped() -> ReadError {
    ReadError::Unavailable("the group has stopped".into())
}

/// The term in which this replica leads, as far as it knows.
fn leading(replica: &Replica) -> Option<LeaderId> {
    replica.with_metrics(|metrics| metrics.state.is_leader().then_some(metrics.vote.leader_id))
}

/// What a leader sees that, by a planted bug, takes every lease for one that is over.
fn without_time(mut leases: Vec<(LeaseId, LeaseTerms)>) -> Vec<(LeaseId, LeaseTerms)> {
    leases.iter_mut().for_each(|(_, terms)| terms.ttl_ms = 0);
    leases
}

//! One group's replica on this node, as the rest of the node uses it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aspen_core::runtime::{self, Elapsed};
use aspen_core::{
    Command, GroupId, GroupMetrics, LeaseId, LeaseRequest, LeaseResponse, NodeId, NodeRecord,
    Proposal, ReadError, ReadReply, ReadRequest, Reply, Revision, ScanPage, ScanRequest, SqlError,
    SqlReply, SqlRequest, WriteError,
};
use aspen_storage::StateMachine;
use openraft::async_runtime::watch::WatchReceiver;
use tokio::sync::mpsc;

use crate::joint::joint;
use crate::leases::LeaseKeeper;
use crate::proposer::Proposer;
use crate::reader::Reader;
use crate::replica::Replica;
use crate::snapshot_receiver::SnapshotReceiver;

/// How often [`Group::wait_metrics`] looks again at what has no notification of its own.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One replica of one group: proposes, reads, and tells how it is.
pub struct Group {
    pub(crate) replica: Arc<Replica>,
    pub(crate) snapshots: SnapshotReceiver,
    proposer: Proposer,
    reader: Reader,
    leases: Arc<LeaseKeeper>,
    /// The task that ends leases runs while this is there.
    _lease_expiry: mpsc::Sender<()>,
}

impl Group {
    pub(crate) fn new(replica: Arc<Replica>) -> Self {
        let leases = Arc::new(LeaseKeeper::new(replica.clone()));
        let (alive, while_alive) = mpsc::channel(1);
        runtime::spawn(crate::lease_expiry::run(leases.clone(), while_alive));
        Self {
            proposer: Proposer::start(replica.clone()),
            reader: Reader::start(replica.clone()),
            leases,
            _lease_expiry: alive,
            snapshots: SnapshotReceiver::default(),
            replica,
        }
    }

    /// Which group this is.
    pub fn id(&self) -> GroupId {
        self.replica.group
    }

    /// Replicates proposals: the same order, one result per proposal. All that wait together share
    /// one log entry. Only the leader proposes; others answer who leads.
    ///
    /// A write is answered once it is durable on a majority and applied here. Dropping the future
    /// does not take the write back.
    ///
    /// # Errors
    /// Each result says by [`aspen_core::Applied`] whether its write may have happened. The bound
    /// on what is in flight is `operations_in_flight_max`, counted in proposals.
    pub async fn propose(&self, mut proposals: Vec<Proposal>) -> Vec<Result<Reply, WriteError>> {
        proposals.iter_mut().for_each(draw_lease);
        self.proposer.propose(proposals).await
    }

    /// Reads: the same order, one result per request. All linearizable requests share one
    /// confirmation of leadership. Any replica answers: one that does not lead asks its leader for
    /// the read index, waits until it has applied that much and answers from its own state.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read(&self, requests: Vec<ReadRequest>) -> Vec<Result<ReadReply, ReadError>> {
        self.reader.read(requests).await
    }

    /// Reads a page of a range, as fresh as [`Group::read`] would be.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        self.reader.scan(request).await
    }

    /// Answers read-only SQL, as fresh as [`Group::read`] would be; any replica does.
    ///
    /// # Errors
    /// See [`SqlError`].
    pub async fn sql(&self, request: SqlRequest) -> Result<SqlReply, SqlError> {
        self.reader.sql(request).await
    }

    /// The revision of everything that was acknowledged before the call: what a linearizable read
    /// would see at least. This replica has applied it when it is answered.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read_revision(&self) -> Result<Revision, ReadError> {
        self.reader.read_revision().await
    }

    /// Keeps leases alive, or tells how they are. Only the leader knows; others answer who leads.
    ///
    /// # Errors
    /// See [`ReadError`]; after any, some of the leases may have been kept alive.
    pub async fn lease(&self, request: LeaseRequest) -> Result<LeaseResponse, ReadError> {
        self.leases.answer(&self.reader, request).await
    }

    /// What this replica knows of its group.
    pub fn metrics(&self) -> GroupMetrics {
        self.replica.metrics()
    }

    /// Whether the group has its first members, as far as this replica knows.
    pub fn is_initialized(&self) -> bool {
        self.replica.with_metrics(|metrics| {
            metrics.membership_config.membership().voter_ids().next().is_some()
        })
    }

    /// Whether the group is half-way through a change of its voters, as far as this replica knows:
    /// until it is through, the old voters and the new ones each need a majority.
    pub fn is_changing_voters(&self) -> bool {
        joint(&self.replica).is_some()
    }

    /// The members' records, by id.
    pub fn members(&self) -> Vec<NodeRecord> {
        self.replica.members()
    }

    /// The group's leader as far as this replica knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.replica.leader()
    }

    /// Waits until the metrics are as wished.
    ///
    /// # Errors
    /// When they are not within `timeout`.
    pub async fn wait_metrics(
        &self,
        timeout: Duration,
        what: impl Fn(&GroupMetrics) -> bool,
    ) -> Result<GroupMetrics, Elapsed> {
        wait_metrics(&self.replica, timeout, what).await
    }

    /// The group's state.
    pub fn state(&self) -> &Arc<dyn StateMachine> {
        &self.replica.state
    }

    /// Refuses new work, gives what is under way at most `patience`, and stops.
    pub(crate) async fn stop(&self, patience: Duration) {
        self.replica.stopping.store(true, Ordering::Release);
        if runtime::timeout(patience, self.proposer.idle()).await.is_err() {
            tracing::warn!(group = %self.id(), "stopping with writes still in flight");
        }
        self.replica.durability.stop();
        if let Err(error) = self.replica.raft.shutdown().await {
            tracing::warn!(group = %self.id(), %error, "consensus did not stop cleanly");
        }
    }
}

/// Draws the id of a lease that its client has not chosen. It must not be drawn by `apply`, which
/// does the same on every replica.
fn draw_lease(proposal: &mut Proposal) {
    if let Command::GrantLease { lease, .. } = &mut proposal.command
        && *lease == LeaseId::UNCHOSEN
    {
        *lease = LeaseId::drawn(runtime::random_u64());
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("id", &self.id()).finish_non_exhaustive()
    }
}

pub(crate) async fn wait_metrics(
    replica: &Replica,
    timeout: Duration,
    what: impl Fn(&GroupMetrics) -> bool,
) -> Result<GroupMetrics, Elapsed> {
    let mut changes = replica.raft.metrics();
    runtime::timeout(timeout, async {
        loop {
            let metrics = replica.metrics();
            if what(&metrics) {
                return metrics;
            }
            // The revision moves without a notification, and after consensus has stopped there is
            // none at all.
            match runtime::timeout(LOOK_AGAIN, changes.changed()).await {
                Ok(Ok(())) | Err(Elapsed) => {}
                Ok(Err(_)) => runtime::sleep(LOOK_AGAIN).await,
            }
        }
    })
    .await
}

//! What every service and task of a running node shares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aspen_core::{ClusterId, EndpointKey, GroupId, NodeId, NodeRecord, Rights, ShardId};
use aspen_net::{ClusterUnknown, NodeNet, Ticket};
use aspen_raft::{Group, RaftHost};
use aspen_storage::RedbLogStore;
use tokio::sync::Notify;

use crate::directory::Directory;
use crate::disk_guard::DiskGuard;
use crate::ops::{GroupSample, Number, Report};

/// The program's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The groups that every node holds.
pub(crate) const GROUPS: [GroupId; 2] = [GroupId::META, GroupId::shard(ShardId::new(0))];

/// The parts of a running node.
pub(crate) struct Core {
    pub(crate) node: NodeId,
    pub(crate) endpoint: EndpointKey,
    pub(crate) cluster: ClusterId,
    pub(crate) net: Arc<NodeNet>,
    pub(crate) host: Arc<RaftHost>,
    pub(crate) log: Arc<RedbLogStore>,
    pub(crate) meta: Arc<Group>,
    pub(crate) directory: Directory,
    pub(crate) guard: Arc<DiskGuard>,
    /// Wakes whoever keeps the directory when the registry was changed through this node.
    pub(crate) registry_changed: Notify,
    pub(crate) proposals: ProposalCounters,
}

impl Core {
    /// This node as others reach it.
    pub(crate) fn record(&self) -> NodeRecord {
        self.net.record()
    }

    /// Whether this node leads the meta group.
    pub(crate) fn leads_meta(&self) -> bool {
        self.meta.leader() == Some(self.node)
    }

    /// A ticket that names every node now known, with a grant of `rights` that does not expire.
    pub(crate) fn ticket(&self, rights: Rights) -> Result<Ticket, ClusterUnknown> {
        let grant = Some(self.net.issue_grant(rights, None)?);
        let peers = self.directory.ticket_peers(self.node);
        Ok(Ticket { cluster: self.cluster, peers, grant })
    }

    /// Whether every group here has a leader and has this node as a member.
    pub(crate) fn serves(&self) -> bool {
        let groups = self.host.groups();
        !groups.is_empty()
            && groups.iter().all(|group| {
                let metrics = group.metrics();
                let mut members = metrics.voters.iter().chain(&metrics.learners);
                metrics.leader.is_some() && members.any(|member| *member == self.node)
            })
    }

    /// What the operations listener tells.
    pub(crate) fn report(&self) -> Report {
        let sample = |group: &Arc<Group>| GroupSample {
            metrics: group.metrics(),
            head_bytes: group.state().head_bytes() as u64,
            proposals: self.proposals.get(group.id()),
        };
        Report {
            version: VERSION,
            groups: self.host.groups().iter().map(sample).collect(),
            disk_used_percent: self.guard.used_percent(),
            disk_level: self.guard.level(),
            numbers: self.numbers(),
        }
    }

    fn numbers(&self) -> Vec<Number> {
        let (net, log) = (self.net.metrics(), self.log.metrics());
        let online = net.peers.iter().filter(|peer| peer.online).count();
        vec![
            Number::gauge("aspen_net_connections", "Open connections.", net.connections as u64),
            Number::gauge(
                "aspen_net_client_connections",
                "Open connections of clients.",
                net.client_connections as u64,
            ),
            Number::gauge("aspen_net_peers_online", "Other nodes connected.", online as u64),
            Number::counter("aspen_net_bytes_in_total", "Bytes received.", net.bytes_in),
            Number::counter("aspen_net_bytes_out_total", "Bytes sent.", net.bytes_out),
            Number::counter(
                "aspen_net_rejected_connections_total",
                "Connections refused.",
                net.rejected_connections,
            ),
            Number::counter("aspen_net_reconnects_total", "Connections renewed.", net.reconnects),
            Number::counter("aspen_net_requests_in_total", "Requests received.", net.requests_in),
            Number::counter("aspen_net_batches_in_total", "Batches received.", net.batches_in),
            Number::counter("aspen_log_commits_total", "Durable commits.", log.commits),
            Number::counter("aspen_log_entries_total", "Entries made durable.", log.entries),
            Number::counter("aspen_log_bytes_total", "Payload made durable.", log.bytes),
            Number::counter(
                "aspen_log_commit_microseconds_total",
                "Time spent in commits.",
                log.commit_us_total,
            ),
            Number::gauge("aspen_log_queue_len", "Writes that wait.", log.queue_len as u64),
        ]
    }
}

/// How many writes were received, by group.
#[derive(Default)]
pub(crate) struct ProposalCounters(BTreeMap<GroupId, AtomicU64>);

impl ProposalCounters {
    /// Counters of these groups.
    pub(crate) fn new(groups: impl IntoIterator<Item = GroupId>) -> Self {
        Self(groups.into_iter().map(|group| (group, AtomicU64::new(0))).collect())
    }

    /// Counts received writes; those for groups that are not here are not counted.
    pub(crate) fn add(&self, group: GroupId, count: usize) {
        if let Some(counter) = self.0.get(&group) {
            counter.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// How many so far.
    pub(crate) fn get(&self, group: GroupId) -> u64 {
        self.0.get(&group).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

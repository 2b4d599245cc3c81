//! Takes the numbers that the operations listener tells.

use std::sync::Arc;

use aspen_raft::Group;
use aspen_storage::{LogMetrics, RedbLogStore};

use super::{GroupSample, Number, Report};
use crate::core::{Core, VERSION};

impl Core {
    /// What the operations listener tells.
    pub(crate) fn report(&self, log: &RedbLogStore) -> Report {
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
            refusal: self.refusal.lock().clone(),
            numbers: self.numbers(log.metrics()),
        }
    }

    fn numbers(&self, log: LogMetrics) -> Vec<Number> {
        let net = self.links.metrics();
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
            Number::gauge("aspen_watches", "Open watches.", self.watches.count() as u64),
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

//! What the operations listener tells about a node.

#[cfg(test)]
mod tests;

use aspen_core::{GroupMetrics, GroupRole, LogIndex};
use serde::Serialize;

use super::http::{Response, Status};
use super::{Exposition, Sample};
use crate::disk_guard::DiskLevel;

/// One look at a node.
pub(crate) struct Report {
    /// The program's version.
    pub(crate) version: &'static str,
    /// Every group here.
    pub(crate) groups: Vec<GroupSample>,
    /// How full the disk is, in percent.
    pub(crate) disk_used_percent: u8,
    /// What that means.
    pub(crate) disk_level: DiskLevel,
    /// Why the cluster does not count the node among its own, when it does not.
    pub(crate) refusal: Option<String>,
    /// Metrics of the parts that have no group.
    pub(crate) numbers: Vec<Number>,
}

/// A metric without labels.
pub(crate) struct Number {
    name: &'static str,
    help: &'static str,
    value: u64,
    only_grows: bool,
}

impl Number {
    /// One that goes up and down.
    pub(crate) fn gauge(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, value, only_grows: false }
    }

    /// One that only grows while the process lives.
    pub(crate) fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, value, only_grows: true }
    }
}

/// One group of a node.
pub(crate) struct GroupSample {
    /// What its consensus says.
    pub(crate) metrics: GroupMetrics,
    /// Bytes of recent changes in memory.
    pub(crate) head_bytes: u64,
    /// Writes received for it since the process started.
    pub(crate) proposals: u64,
}

/// How a metric is taken from a group.
type Reading = fn(&GroupSample) -> u64;

#[derive(Serialize)]
struct Verdict {
    status: &'static str,
    disk_used_percent: u8,
    problems: Vec<String>,
}

impl Report {
    /// Answers a path.
    pub(crate) fn answer(&self, path: &str) -> Option<Response> {
        match path {
            "/health" => Some(self.verdict(self.health_problems())),
            "/ready" => Some(self.verdict(self.ready_problems())),
            "/metrics" => Some(Response {
                status: Status::Ok,
                content_type: "text/plain; version=0.0.4; charset=utf-8",
                body: self.metrics(),
            }),
            _ => None,
        }
    }

    fn verdict(&self, problems: Vec<String>) -> Response {
        let (status, word) = match problems.is_empty() {
            true => (Status::Ok, "ok"),
            false => (Status::Unavailable, "failing"),
        };
        let verdict = Verdict { status: word, disk_used_percent: self.disk_used_percent, problems };
        let body = serde_json::to_string(&verdict).unwrap_or_default();
        Response { status, content_type: "application/json", body }
    }

    /// The process lives; what could still make it useless?
    fn health_problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self
            .groups
            .iter()
            .filter(|group| group.metrics.leader.is_none())
            .map(|group| format!("{} has no leader", group.metrics.group))
            .collect();
        if self.disk_level == DiskLevel::Full {
            problems.push(format!("the disk is {} % full", self.disk_used_percent));
        }
        problems
    }

    /// Whether clients should be sent here.
    fn ready_problems(&self) -> Vec<String> {
        let mut problems = self.health_problems();
        problems.extend(self.refusal.clone());
        if self.groups.is_empty() {
            problems.push("no groups are open".to_owned());
        }
        for GroupSample { metrics, .. } in &self.groups {
            if metrics.role == GroupRole::Stopped {
                problems.push(format!("{} has stopped", metrics.group));
            }
            if metrics.applied < metrics.committed {
                problems.push(format!("{} is still applying", metrics.group));
            }
        }
        problems
    }

    fn metrics(&self) -> String {
        let mut out = Exposition::default();
        let build = Sample::labelled(&[("version", self.version)], 1);
        out.gauge("aspen_build_info", "The program's version, as a label.", vec![build]);
        let disk = Sample::plain(self.disk_used_percent.into());
        out.gauge(
            "aspen_disk_used_percent",
            "Use of the disk under the data directory.",
            vec![disk],
        );
        self.group_metrics(&mut out);
        for Number { name, help, value, only_grows } in &self.numbers {
            let samples = vec![Sample::plain(*value)];
            match only_grows {
                true => out.counter(name, help, samples),
                false => out.gauge(name, help, samples),
            }
        }
        out.into_text()
    }

    fn group_metrics(&self, out: &mut Exposition) {
        let gauges: [(&str, &str, Reading); 8] = [
            ("aspen_group_term", "The Raft term.", |g| g.metrics.term.get()),
            ("aspen_group_leader", "The leader's node id, 0 for none.", |g| {
                g.metrics.leader.map_or(0, |node| node.get())
            }),
            ("aspen_group_is_leader", "Whether this node leads.", |g| {
                u64::from(g.metrics.role == GroupRole::Leader)
            }),
            ("aspen_group_last_log_index", "Last log entry.", |g| index(g.metrics.last_log)),
            ("aspen_group_committed_index", "Last entry known committed.", |g| {
                index(g.metrics.committed)
            }),
            ("aspen_group_applied_index", "Last entry applied.", |g| index(g.metrics.applied)),
            ("aspen_group_revision", "Changes applied.", |g| g.metrics.revision.get()),
            ("aspen_group_head_bytes", "Recent changes held in memory.", |g| g.head_bytes),
        ];
        for (name, help, value) in gauges {
            out.gauge(name, help, self.per_group(value));
        }
        let help = "Writes received for the group.";
        out.counter("aspen_group_proposals_total", help, self.per_group(|g| g.proposals));
    }

    fn per_group(&self, value: impl Fn(&GroupSample) -> u64) -> Vec<Sample> {
        let sample = |group: &GroupSample| {
            Sample::labelled(&[("group", &group.metrics.group.to_string())], value(group))
        };
        self.groups.iter().map(sample).collect()
    }
}

fn index(position: Option<LogIndex>) -> u64 {
    position.map_or(0, LogIndex::get)
}

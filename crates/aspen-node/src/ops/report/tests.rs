#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use aspen_core::{GroupId, GroupMetrics, GroupRole, LogIndex, NodeId, Revision, Term};

use super::super::http::Status;
use super::{GroupSample, Number, Report};
use crate::disk_guard::DiskLevel;

fn report() -> Report {
    let metrics = GroupMetrics {
        group: GroupId::META,
        node: NodeId::new(1),
        role: GroupRole::Leader,
        term: Term::new(3),
        leader: Some(NodeId::new(1)),
        last_log: Some(LogIndex::new(9)),
        committed: Some(LogIndex::new(9)),
        applied: Some(LogIndex::new(9)),
        snapshot: None,
        purged: None,
        revision: Revision::new(4),
        voters: vec![NodeId::new(1)],
        learners: vec![],
        replication: BTreeMap::new(),
    };
    Report {
        version: "0.1.0",
        groups: vec![GroupSample { metrics, head_bytes: 12, proposals: 5 }],
        disk_used_percent: 40,
        disk_level: DiskLevel::Normal,
        refusal: None,
        numbers: vec![Number::counter("aspen_net_calls_total", "Calls.", 8)],
    }
}

fn status(report: &Report, path: &str) -> Status {
    report.answer(path).unwrap().status
}

#[test]
fn a_node_in_order_is_healthy_and_ready() {
    let report = report();
    assert_eq!((status(&report, "/health"), status(&report, "/ready")), (Status::Ok, Status::Ok));
    assert!(report.answer("/health").unwrap().body.contains("\"status\":\"ok\""));
    assert!(report.answer("/").is_none());
}

#[test]
fn a_group_without_a_leader_is_a_problem() {
    let mut report = report();
    report.groups[0].metrics.leader = None;
    let answer = report.answer("/health").unwrap();
    assert_eq!(answer.status, Status::Unavailable);
    assert!(answer.body.contains("meta has no leader"), "{}", answer.body);
}

#[test]
fn a_full_disk_is_a_problem() {
    let mut report = report();
    report.disk_level = DiskLevel::Full;
    assert_eq!(status(&report, "/health"), Status::Unavailable);
    report.disk_level = DiskLevel::Warning;
    assert_eq!(status(&report, "/health"), Status::Ok);
}

#[test]
fn a_node_that_still_applies_is_healthy_but_not_ready() {
    let mut report = report();
    report.groups[0].metrics.applied = Some(LogIndex::new(8));
    let seen = (status(&report, "/health"), status(&report, "/ready"));
    assert_eq!(seen, (Status::Ok, Status::Unavailable));
}

#[test]
fn a_node_that_its_cluster_has_removed_is_healthy_but_not_ready() {
    let mut report = report();
    report.refusal = Some("this node was removed".to_owned());
    assert_eq!(status(&report, "/health"), Status::Ok);
    let answer = report.answer("/ready").unwrap();
    assert_eq!(answer.status, Status::Unavailable);
    assert!(answer.body.contains("was removed"), "{}", answer.body);
}

#[test]
fn metrics_name_their_group() {
    let body = report().answer("/metrics").unwrap().body;
    for line in [
        "aspen_build_info{version=\"0.1.0\"} 1",
        "aspen_disk_used_percent 40",
        "aspen_group_term{group=\"meta\"} 3",
        "aspen_group_is_leader{group=\"meta\"} 1",
        "aspen_group_head_bytes{group=\"meta\"} 12",
        "aspen_group_proposals_total{group=\"meta\"} 5",
        "aspen_net_calls_total 8",
    ] {
        assert!(body.lines().any(|found| found == line), "{line} is not in\n{body}");
    }
}

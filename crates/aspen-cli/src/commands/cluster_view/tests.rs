#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{
    ClusterId, EndpointKey, GroupId, GroupStatus, NodeRecord, ReplicationProgress, Revision, Term,
};

use super::*;
use crate::output::tests::Captured;

fn sample() -> ClusterStatus {
    let node = |id: u8, state| NodeStatus {
        record: NodeRecord {
            id: NodeId::new(u64::from(id)),
            endpoint: EndpointKey::new([id; 32]),
            addresses: vec![format!("127.0.0.1:{id}")],
        },
        state,
        version: Some("0.1.0".to_owned()),
        disk_used_percent: Some(40),
    };
    let progress = ReplicationProgress { matched: Some(LogIndex::new(7)), lag_entries: 2 };
    let metrics = GroupMetrics {
        group: GroupId::META,
        node: NodeId::new(1),
        role: GroupRole::Leader,
        term: Term::new(3),
        leader: Some(NodeId::new(1)),
        last_log: Some(LogIndex::new(9)),
        committed: None,
        applied: Some(LogIndex::new(8)),
        snapshot: None,
        purged: None,
        revision: Revision::new(5),
        voters: vec![NodeId::new(1), NodeId::new(2)],
        learners: Vec::new(),
        replication: [(NodeId::new(2), progress)].into(),
    };
    ClusterStatus {
        cluster: ClusterId::new([1; 16]),
        nodes: vec![node(1, NodeState::Online), node(2, NodeState::Offline)],
        groups: vec![GroupStatus { metrics }],
    }
}

fn printed(json: bool, print: impl FnOnce(&mut Output) -> Result<(), CliError>) -> String {
    let sink = Captured::default();
    print(&mut Output::new(json, Box::new(sink.clone()))).unwrap();
    sink.text()
}

#[test]
fn status_as_json_has_what_scripts_rely_on() {
    let json: Json = serde_json::from_str(&printed(true, |out| status(&sample(), out))).unwrap();
    assert_eq!(json["cluster_id"], "01".repeat(16));
    assert_eq!(json["nodes"][1]["state"], "offline");
    assert_eq!(json["nodes"][0]["address"], "127.0.0.1:1");
    let group = &json["groups"][0];
    assert_eq!(group["group"], "meta");
    assert_eq!((&group["leader"], &group["term"]), (&json!(1), &json!(3)));
    assert_eq!((&group["applied"], &group["revision"]), (&json!(8), &json!(5)));
    assert_eq!(group["voters"], json!([1, 2]));
    assert_eq!(group["replication"]["2"]["lag_entries"], 2);
}

#[test]
fn status_as_tables_shows_nodes_and_groups() {
    let text = printed(false, |out| status(&sample(), out));
    for expected in ["cluster 0101", "offline", "40 %", "meta", "2:2"] {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
}

#[test]
fn a_node_shows_its_part_and_a_missing_one_is_the_answer_no() {
    let text = printed(false, |out| node(&sample(), NodeId::new(1), out));
    assert!(text.contains("leader"), "{text}");
    let mut output = Output::new(false, Box::new(Captured::default()));
    let error = node(&sample(), NodeId::new(9), &mut output).unwrap_err();
    assert_eq!(error.status().code(), 3);
}

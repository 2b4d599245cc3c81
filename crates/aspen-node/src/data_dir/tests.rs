#![allow(clippy::unwrap_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;

use aspen_core::{ClusterId, EndpointKey, NodeId, NodeRecord};

use super::{DataDir, DataDirError, Stage, write_atomically};

const NODE: NodeId = NodeId::new(1);
const CLUSTER: ClusterId = ClusterId::new([7; 16]);

#[test]
fn a_directory_keeps_its_identity() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node");
    let mut opened = DataDir::open(&path, NODE).unwrap();
    assert_eq!((opened.identity().cluster, opened.identity().stage), (None, Stage::New));
    opened.enter(CLUSTER, Stage::Founding).unwrap();
    opened.enter(CLUSTER, Stage::Member).unwrap();
    let identity = opened.identity().clone();
    drop(opened);
    assert_eq!(*DataDir::open(&path, NODE).unwrap().identity(), identity);
    assert_eq!(*DataDir::open_existing(&path).unwrap().identity(), identity);
}

#[test]
fn a_second_process_is_told_who_holds_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let held = DataDir::open(dir.path(), NODE).unwrap();
    let error = DataDir::open(dir.path(), NODE).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("in use by process {}", std::process::id())), "{text}");
    drop(held);
    DataDir::open(dir.path(), NODE).unwrap();
}

#[test]
fn another_node_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(DataDir::open(dir.path(), NODE).unwrap());
    let error = DataDir::open(dir.path(), NodeId::new(2)).unwrap_err();
    assert!(matches!(error, DataDirError::OtherNode { .. }), "{error}");
    assert!(error.to_string().contains("start it with id 1"), "{error}");
}

#[test]
fn another_cluster_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = DataDir::open(dir.path(), NODE).unwrap();
    opened.enter(CLUSTER, Stage::Member).unwrap();
    let error = opened.enter(ClusterId::new([8; 16]), Stage::Member).unwrap_err();
    assert!(matches!(error, DataDirError::OtherCluster { .. }), "{error}");
    assert_eq!(opened.identity().cluster, Some(CLUSTER));
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("identity.json"), r#"{"format": 99, "shape": "new"}"#).unwrap();
    let error = DataDir::open(dir.path(), NODE).unwrap_err();
    assert!(matches!(error, DataDirError::NewerFormat { found: 99, .. }), "{error}");
}

#[test]
fn a_damaged_identity_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let bad = [
        "",
        "{",
        r#"{"format": 1}"#,
        r#"{"format":1,"node":0,"cluster":null,"stage":"new","created_ms":1}"#,
        r#"{"format":1,"node":1,"cluster":null,"stage":"member","created_ms":1}"#,
        r#"{"format":1,"node":1,"cluster":"zz","stage":"member","created_ms":1}"#,
    ];
    for text in bad {
        std::fs::write(dir.path().join("identity.json"), text).unwrap();
        let error = DataDir::open(dir.path(), NODE).unwrap_err();
        assert!(matches!(error, DataDirError::Damaged { .. }), "{text}: {error}");
    }
}

#[test]
fn data_without_an_identity_is_not_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("log.redb"), "data").unwrap();
    let error = DataDir::open(dir.path(), NODE).unwrap_err();
    assert!(matches!(error, DataDirError::NoIdentity { .. }), "{error}");
}

#[test]
fn a_directory_of_no_node_cannot_be_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let error = DataDir::open_existing(dir.path()).unwrap_err();
    assert!(matches!(error, DataDirError::NoNode { .. }), "{error}");
}

#[test]
fn the_system_chooses_a_port_once() {
    let dir = tempfile::tempdir().unwrap();
    let opened = DataDir::open(dir.path(), NODE).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    assert_eq!(opened.listen_address(any), any);
    let bound = "127.0.0.1:4711".parse().unwrap();
    opened.save_listen_address(bound).unwrap();
    assert_eq!(opened.listen_address(any), bound);
    let fixed = "127.0.0.1:5000".parse().unwrap();
    assert_eq!(opened.listen_address(fixed), fixed);
    let elsewhere = "127.0.0.2:0".parse().unwrap();
    assert_eq!(opened.listen_address(elsewhere), elsewhere);
}

#[test]
fn peers_are_kept_for_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let opened = DataDir::open(dir.path(), NODE).unwrap();
    assert_eq!(opened.peers(), []);
    let record = NodeRecord { id: NODE, endpoint: EndpointKey::new([1; 32]), addresses: vec![] };
    DataDir::save_peers(&opened.peers_file(), std::slice::from_ref(&record)).unwrap();
    assert_eq!(opened.peers(), [record]);
    std::fs::write(opened.peers_file(), "garbage").unwrap();
    assert_eq!(opened.peers(), []);
}

#[test]
fn secrets_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ticket");
    write_atomically(&path, b"one").unwrap();
    write_atomically(&path, b"two").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{
    ClientId, ClientRequest, ClientResponse, Command, ControlError, ControlRequest, EndpointKey,
    GroupId, Key, LeaseId, LeaseRequest, NodeId, NodeRecord, ReadError, ReadRequest, Rights,
    ShardId, SqlRequest, WriteFailure,
};

use super::{admission::decide, rights::check};
use crate::registry::{Registry, registration};

const DATA: GroupId = GroupId::shard(ShardId::new(0));

fn propose(group: GroupId) -> ClientRequest {
    let command = Command::OpenSession { client: ClientId::new([1; 16]) };
    ClientRequest::Propose { group, session: None, command }
}

fn read() -> ClientRequest {
    ClientRequest::Read { group: DATA, request: ReadRequest::one(Key::try_from("k").unwrap()) }
}

fn control(request: ControlRequest) -> ClientRequest {
    ClientRequest::Control(request)
}

#[test]
fn readers_read_and_ask() {
    let sql = ClientRequest::Sql { group: DATA, request: SqlRequest::new("SELECT 1") };
    for request in [read(), sql, control(ControlRequest::Status), control(ControlRequest::Ticket)] {
        check(Rights::Read, request).unwrap();
    }
    match check(Rights::Read, propose(DATA)).unwrap_err() {
        ClientResponse::Propose(Err(error)) => {
            assert!(matches!(error.failure, WriteFailure::Denied(_)), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn writers_write_keys_but_not_the_registry() {
    check(Rights::Write, propose(DATA)).unwrap();
    check(Rights::Write, propose(GroupId::META)).unwrap_err();
    let remove = control(ControlRequest::RemoveNode { node: NodeId::new(1) });
    let denied = check(Rights::Write, remove.clone()).unwrap_err();
    assert!(matches!(denied, ClientResponse::Control(Err(ControlError::Denied(_)))));
    check(Rights::Admin, remove).unwrap();
    check(Rights::Admin, propose(GroupId::META)).unwrap();
}

#[test]
fn readers_ask_about_leases_that_writers_keep_alive() {
    let lease = |request| ClientRequest::Lease { group: DATA, request };
    let id = LeaseId::new(7);
    check(Rights::Read, lease(LeaseRequest::List { after: id })).unwrap();
    check(Rights::Read, lease(LeaseRequest::TimeToLive { lease: id, with_keys: true })).unwrap();
    let keep = || lease(LeaseRequest::KeepAlive { leases: vec![id] });
    match check(Rights::Read, keep()).unwrap_err() {
        ClientResponse::Lease(Err(ReadError::Denied(_))) => {}
        other => panic!("{other:?}"),
    }
    check(Rights::Write, keep()).unwrap();
}

#[test]
fn a_denial_says_what_is_needed() {
    let error = ReadError::Denied("x".to_owned());
    assert!(error.to_string().contains("denied"));
    let denied = check(Rights::Read, control(ControlRequest::TriggerSnapshot { group: DATA }));
    match denied.unwrap_err() {
        ClientResponse::Control(Err(error)) => assert!(error.to_string().contains("Admin")),
        other => panic!("{other:?}"),
    }
}

fn record(id: u64, key: u8) -> NodeRecord {
    let addresses = vec!["127.0.0.1:1".to_owned()];
    NodeRecord { id: NodeId::new(id), endpoint: EndpointKey::new([key; 32]), addresses }
}

fn registry() -> Registry {
    let nodes = [record(1, 1), record(2, 2)].map(|record| (record.id, record));
    let removed = [record(3, 3)].map(|record| (record.id, record));
    Registry { nodes: nodes.into(), removed: removed.into(), ..Registry::default() }
}

#[test]
fn a_new_node_is_registered_and_a_known_one_needs_nothing() {
    let new = record(4, 4);
    assert_eq!(decide(&registry(), &new).unwrap(), registration(&new));
    assert_eq!(decide(&registry(), &record(1, 1)).unwrap(), []);
}

#[test]
fn a_node_that_has_moved_is_registered_again() {
    let moved = NodeRecord { addresses: vec!["127.0.0.1:9".to_owned()], ..record(1, 1) };
    assert_eq!(decide(&registry(), &moved).unwrap(), registration(&moved));
}

#[test]
fn an_id_is_one_nodes_for_ever() {
    let error = decide(&registry(), &record(1, 9)).unwrap_err();
    assert!(error.contains("id 1 belongs to another node"), "{error}");
    let error = decide(&registry(), &record(3, 3)).unwrap_err();
    assert!(error.contains("node 3 was removed"), "{error}");
}

#[test]
fn a_copied_directory_is_found_out() {
    let error = decide(&registry(), &record(4, 2)).unwrap_err();
    assert!(error.contains("node 2") && error.contains("copied"), "{error}");
}

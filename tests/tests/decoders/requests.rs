//! What clients, nodes and joining processes say to each other.

use std::collections::BTreeSet;

use aspen_core::{
    ClientId, ClientRequest, ClientResponse, ClusterId, Command, Compare, Consistency,
    ControlRequest, ControlResponse, Cursor, EndpointKey, GroupId, JoinReply, JoinRequest, Key,
    KeyRange, KeyValue, LeaseId, MESSAGE_BYTES_MAX, NodeId, NodeRecord, Operation, OperationResult,
    PeerRejection, PeerRequest, ReadConflict, ReadError, ReadReply, ReadRequest, Rejection, Reply,
    Revision, ScanPage, ScanRequest, SessionStamp, Transaction, TransactionOutcome, Value,
    WriteCommand, WriteError, codec,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::heap::watch;
use crate::hostile::{FIXED_BYTES, Hostile, bombard};

const GROUP: GroupId = GroupId::META;

pub(crate) fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

fn value(text: &str) -> Value {
    Value::try_from(text).unwrap()
}

pub(crate) fn transaction() -> Transaction {
    Transaction {
        compares: vec![Compare::absent(key("absent"))],
        read_conflicts: vec![
            ReadConflict::Key { key: key("read"), expected: Revision::new(300) },
            ReadConflict::Range { range: KeyRange::prefix("r"), read_revision: Revision::new(9) },
        ],
        success: vec![
            Operation::put(key("put"), value("value")),
            Operation::Put { key: key("l"), value: value(""), lease: Some(LeaseId::new(70_000)) },
            Operation::Delete { key: key("gone") },
            Operation::DeleteRange { range: KeyRange::half_open("a", "b") },
        ],
        failure: vec![
            Operation::Get { key: key("get") },
            Operation::Scan { range: KeyRange::all(), limit: 10 },
        ],
    }
}

pub(crate) fn stamp() -> SessionStamp {
    SessionStamp { client: ClientId::new([7; 16]), sequence: 300, settled_below: 290 }
}

fn record() -> NodeRecord {
    let addresses = vec!["127.0.0.1:4711".to_owned(), "[::1]:4711".to_owned()];
    NodeRecord { id: NodeId::new(3), endpoint: EndpointKey::new([9; 32]), addresses }
}

fn entry() -> KeyValue {
    let (create_revision, mod_revision) = (Revision::new(5), Revision::new(700));
    let (key, value, lease) = (key("key"), value("value"), Some(LeaseId::new(1)));
    KeyValue { key, value, version: 2, create_revision, mod_revision, lease }
}

fn requests() -> Vec<ClientRequest> {
    let read = ReadRequest { keys: vec![key("a"), key("b")], consistency: Consistency::Lease };
    let cursor = Some(Cursor::new(Revision::new(8), key("last")));
    let scan = ScanRequest { cursor, ..ScanRequest::new(KeyRange::prefix("p")) };
    let command = Command::Transaction(transaction());
    let voters = BTreeSet::from([NodeId::new(1), NodeId::new(2)]);
    vec![
        ClientRequest::Read { group: GROUP, request: read },
        ClientRequest::Scan { group: GROUP, request: scan },
        ClientRequest::Propose { group: GROUP, session: Some(stamp()), command },
        ClientRequest::Control(ControlRequest::Init { group: GROUP, members: vec![record(); 2] }),
        ClientRequest::Control(ControlRequest::ChangeMembership { voters }),
        ClientRequest::Control(ControlRequest::Status),
    ]
}

fn responses() -> Vec<ClientResponse> {
    let results = vec![
        OperationResult::Put { version: 1, create_revision: Revision::new(4) },
        OperationResult::Scan { entries: vec![entry(); 3], more: true },
        OperationResult::Get(Some(entry())),
    ];
    let outcome = TransactionOutcome { revision: Revision::new(4), succeeded: true, results };
    let values = vec![Some(entry()), None];
    let rejected = Rejection::SessionExpired;
    vec![
        ClientResponse::Read(Ok(ReadReply { revision: Revision::new(4), values })),
        ClientResponse::Read(Err(ReadError::Unavailable("no quorum".to_owned()))),
        ClientResponse::Scan(Ok(ScanPage {
            revision: Revision::new(4),
            entries: vec![entry(); 2],
            count: 2,
            cursor: None,
        })),
        ClientResponse::Propose(Ok(Reply::Transaction(outcome))),
        ClientResponse::Propose(Err(WriteError::not_applied(rejected))),
        ClientResponse::Control(Ok(ControlResponse::Ticket("aspen…".to_owned()))),
    ]
}

fn encoded<T: Serialize>(values: &[T]) -> Vec<Vec<u8>> {
    values.iter().map(|value| codec::encode(value).unwrap().to_vec()).collect()
}

/// Bombards the decoder of a type, beginning from these values.
fn check<T: Serialize + DeserializeOwned>(seed: u64, values: &[T]) {
    let mut hostile = Hostile::new(seed, encoded(values));
    bombard(&mut hostile, 4_000, |bytes| codec::decode::<T>(bytes).map(drop));
}

#[test]
fn requests_of_clients() {
    check(1, &requests());
    check(2, &[requests(), Vec::new()]);
}

#[test]
fn responses_of_nodes() {
    check(3, &responses());
    check(4, &[responses()]);
}

#[test]
fn what_joining_processes_ask_and_are_told() {
    let cluster = ClusterId::new([4; 16]);
    check(5, &[JoinRequest { node: record(), cluster: Some(cluster) }]);
    check(
        6,
        &[
            JoinReply::Welcome { cluster, nodes: vec![record(); 3] },
            JoinReply::Redirect(record()),
            JoinReply::Refused("the id is taken".to_owned()),
        ],
    );
    check(7, &[record()]);
}

#[test]
fn messages_of_peers_outside() {
    let payload = bytes::Bytes::from_static(b"payload");
    check(8, &[PeerRequest { group: GROUP, kind: 1, payload }]);
    check(9, &[PeerRejection::NoSuchGroup(GROUP), PeerRejection::Malformed("kind".to_owned())]);
}

#[test]
fn writes_as_programs_keep_them() {
    check(10, &[WriteCommand::Set { key: key("k"), value: value("v") }]);
    check(11, &[transaction()]);
    check(12, &[KeyRange::half_open("a", "b"), KeyRange::all()]);
}

/// A message as long as any may be, all of it the smallest element that there is.
fn flood<T: DeserializeOwned>(before: &[u8], element: &[u8]) -> (usize, usize) {
    let count = (MESSAGE_BYTES_MAX - 64) / element.len();
    let mut bytes = before.to_vec();
    bytes.push(0xfc);
    bytes.extend_from_slice(&u32::try_from(count).unwrap().to_le_bytes());
    bytes.extend(element.repeat(count));
    let taken = watch(|| drop(codec::decode::<T>(&bytes)));
    (bytes.len(), taken.peak_bytes)
}

#[test]
fn a_flood_takes_memory_in_proportion() {
    let floods: [(&str, (usize, usize)); 6] = [
        ("operations", flood::<ClientRequest>(&[2, 1, 0, 0, 0, 0], &[1, 1, b'k'])),
        ("keys", flood::<ClientRequest>(&[0, 1], &[1, b'k'])),
        ("values", flood::<ReadReply>(&[1], &[0])),
        ("results", flood::<Reply>(&[0, 1, 1], &[1, 1])),
        ("voters", flood::<ClientRequest>(&[3, 5], &[1])),
        ("members", flood::<ClientRequest>(&[3, 3, 1], &[[1; 33].as_slice(), &[0]].concat())),
    ];
    for (what, (len, peak_bytes)) in floods {
        assert!(peak_bytes <= FIXED_BYTES + 8 * len, "{what}: {peak_bytes} bytes for {len}");
    }
}

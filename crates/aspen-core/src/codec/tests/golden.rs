//! The exact bytes of what is stored and sent. A test that fails here means that new programs
//! cannot read what old ones wrote: change the format's version, not the test.

use std::collections::BTreeSet;
use std::fmt::Debug;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{decode, encode};
use crate::*;

#[track_caller]
fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, hex: &str) {
    let bytes = encode(&value).unwrap();
    let expected: String = hex.split_whitespace().collect();
    assert_eq!(data_encoding::HEXLOWER.encode(&bytes), expected, "{value:?}");
    assert_eq!(decode::<T>(&bytes).unwrap(), value);
}

fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

fn value(text: &str) -> Value {
    Value::try_from(text).unwrap()
}

fn revision(raw: u64) -> Revision {
    Revision::new(raw)
}

fn entry() -> KeyValue {
    KeyValue {
        key: key("k"),
        value: value("v"),
        version: 1,
        create_revision: revision(2),
        mod_revision: revision(300),
        lease: Some(LeaseId::new(4)),
    }
}

fn node() -> NodeRecord {
    NodeRecord {
        id: NodeId::new(1),
        endpoint: EndpointKey::new([0xee; 32]),
        addresses: vec!["[::1]:1".to_owned()],
    }
}

/// 32 bytes of a key have no length before them; so have the 16 of the other identities.
const NODE: &str = "01 eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee
    01 07 5b3a3a315d3a31";

fn node_hex(before: &str, after: &str) -> String {
    format!("{before} {NODE} {after}")
}

#[test]
fn integers_take_as_many_bytes_as_they_need() {
    golden(revision(0), "00");
    golden(revision(250), "fa");
    golden(revision(251), "fb fb00");
    golden(revision(0xffff), "fb ffff");
    golden(revision(0x1_0000), "fc 00000100");
    golden(revision(0x1_0000_0000), "fd 0000000001000000");
    golden(revision(u64::MAX), "fd ffffffffffffffff");
}

#[test]
fn keys_values_and_ranges() {
    golden(key("key"), "03 6b6579");
    golden(Value::default(), "00");
    golden(value("v"), "01 76");
    golden(KeyRange::all(), "00 00");
    golden(KeyRange::half_open("a", "b"), "01 61 01 01 62");
    golden(entry(), "01 6b 01 76 01 02 fb2c01 01 04");
}

#[test]
fn every_operation() {
    let put = Operation::Put { key: key("k"), value: value("v"), lease: Some(LeaseId::new(9)) };
    golden(put, "00 01 6b 01 76 01 09");
    golden(Operation::put(key("k"), value("")), "00 01 6b 00 00");
    golden(Operation::Delete { key: key("k") }, "01 01 6b");
    golden(Operation::DeleteRange { range: KeyRange::from_key("k") }, "02 01 6b 00");
    golden(Operation::Get { key: key("k") }, "03 01 6b");
    golden(Operation::Scan { range: KeyRange::all(), limit: 10_000 }, "04 00 00 fb1027");
    let stamped = |position, lease| Operation::PutVersionstamped {
        key: key("k"),
        value: value("v"),
        position,
        lease,
    };
    golden(stamped(StampPosition::Key(2), None), "06 01 6b 01 76 00 02 00");
    let lease = Some(LeaseId::new(9));
    golden(stamped(StampPosition::Value(300), lease), "06 01 6b 01 76 01 fb2c01 01 09");
}

#[test]
fn every_atomic_operation() {
    let kinds: [fn(Value) -> AtomicOperation; 10] = [
        AtomicOperation::Add,
        AtomicOperation::BitAnd,
        AtomicOperation::BitOr,
        AtomicOperation::BitXor,
        AtomicOperation::Max,
        AtomicOperation::Min,
        AtomicOperation::ByteMax,
        AtomicOperation::ByteMin,
        AtomicOperation::AppendIfFits,
        AtomicOperation::CompareAndClear,
    ];
    for (variant, kind) in kinds.into_iter().enumerate() {
        let operation = kind(value("v"));
        let hex = format!("05 01 6b {variant:02x} 01 76");
        golden(Operation::Atomic { key: key("k"), operation }, &hex);
    }
    let put = Operation::PutTtl { key: key("k"), value: value("v"), ttl_ms: 1_000 };
    golden(put, "07 01 6b 01 76 fbe803");
}

#[test]
fn every_compare_and_read_conflict() {
    let compare = |target, operator| Compare { key: key("k"), target, operator };
    golden(compare(CompareTarget::Version(1), CompareOperator::Equal), "01 6b 00 01 00");
    let created = CompareTarget::CreateRevision(revision(2));
    golden(compare(created, CompareOperator::NotEqual), "01 6b 01 02 01");
    golden(
        compare(CompareTarget::ModRevision(revision(3)), CompareOperator::Less),
        "01 6b 02 03 02",
    );
    golden(
        compare(CompareTarget::Value(value("v")), CompareOperator::Greater),
        "01 6b 03 01 76 03",
    );
    golden(compare(CompareTarget::Lease(None), CompareOperator::Equal), "01 6b 04 00 00");
    golden(ReadConflict::Key { key: key("k"), expected: revision(7) }, "00 01 6b 07");
    let range = KeyRange::from_key("k");
    golden(ReadConflict::Range { range, read_revision: revision(7) }, "01 01 6b 00 07");
}

#[test]
fn a_batch_of_every_command() {
    let client = ClientId::new([0xcc; 16]);
    let transaction = Transaction {
        compares: vec![Compare::absent(key("k"))],
        read_conflicts: vec![ReadConflict::Key { key: key("k"), expected: revision(0) }],
        success: vec![Operation::put(key("k"), value("v"))],
        failure: vec![Operation::Get { key: key("k") }],
    };
    let stamp = SessionStamp { client, sequence: 300, settled_below: 299 };
    let proposals = vec![
        Proposal { session: Some(stamp), command: Command::Transaction(transaction) },
        Proposal { session: None, command: Command::OpenSession { client } },
        Proposal { session: None, command: Command::Compact { horizon: revision(5) } },
    ];
    golden(
        ProposalBatch { time_ms: 1_700_000_000_000, proposals },
        "fd 0068e5cf8b010000 03
         01 cccccccccccccccccccccccccccccccc fb2c01 fb2b01
           00 01 016b000000 01 00016b00 01 00016b017600 01 03016b
         00 01 cccccccccccccccccccccccccccccccc
         00 02 05",
    );
    golden(ProposalBatch::default(), "00 00");
}

#[test]
fn every_lease_command() {
    let lease = LeaseId::new(9);
    golden(Command::GrantLease { lease, ttl_ms: 1_000 }, "03 09 fbe803");
    golden(Command::RevokeLease { lease }, "04 09");
    let leases = vec![ExpiringLease { lease, grant: 7 }];
    golden(Command::ExpireLeases { leases }, "05 01 09 07");
    golden(Command::PinRevision { lease, revision: None }, "06 09 00");
    golden(Command::PinRevision { lease, revision: Some(revision(5)) }, "06 09 01 05");
    let private = LeaseId::private(revision(1), 2);
    golden(private, "fd 0240000000000080");
}

#[test]
fn every_reply() {
    let results = vec![
        OperationResult::Put { version: 1, create_revision: revision(2) },
        OperationResult::Deleted { count: 3 },
        OperationResult::Get(None),
        OperationResult::Scan { entries: vec![entry()], more: true },
    ];
    let outcome = TransactionOutcome { revision: revision(9), succeeded: true, results };
    golden(
        Reply::Transaction(outcome),
        "00 09 01 04 000102 0103 0200 03 01 016b017601 02fb2c01 0104 01",
    );
    golden(Reply::SessionOpen, "01");
    golden(Reply::Compacted { horizon: revision(4) }, "02 04");
    let (requested, horizon, current) = (revision(1), revision(2), revision(3));
    let conflict = Conflict { key: key("k"), range: None, expected: requested, actual: current };
    golden(Reply::Rejected(conflict.into()), "03 00 01 6b 00 01 03");
    golden(Reply::Rejected(Rejection::Compacted { requested, horizon }), "03 01 01 02");
    golden(Reply::Rejected(Rejection::FutureRevision { requested, current }), "03 02 01 03");
    golden(Reply::Rejected(Rejection::SessionExpired), "03 03");
    let outside = Rejection::OutsideWindow { sequence: 1, floor: 2, end: 3 };
    golden(Reply::Rejected(outside), "03 04 01 02 03");
    golden(Reply::Rejected(Rejection::TooManySessions { limit: 1 }), "03 05 01");
    golden(Reply::Rejected(Rejection::ResultDropped { revision: revision(6) }), "03 06 06");
    golden(Reply::Rejected(Rejection::Invalid("no".to_owned())), "03 07 02 6e6f");
    golden(Reply::Rejected(Rejection::TooManyResults { limit: 1 }), "03 08 01");
    let lease = LeaseId::new(9);
    golden(Reply::LeaseGranted { lease, ttl_ms: 1_000 }, "04 09 fbe803");
    golden(Reply::LeaseRevoked { revision: revision(6), keys: 2 }, "05 06 02");
    golden(Reply::LeasesExpired { revision: revision(6), leases: 1, keys: 2 }, "06 06 01 02");
    golden(Reply::RevisionPinned { revision: revision(6) }, "07 06");
    golden(Reply::Rejected(Rejection::LeaseExists { lease }), "03 09 09");
    golden(Reply::Rejected(Rejection::NoSuchLease { lease }), "03 0a 09");
    golden(Reply::Rejected(Rejection::TooManyLeases { limit: 1 }), "03 0b 01");
    golden(Reply::Rejected(Rejection::TooManyLeaseKeys { lease, limit: 1 }), "03 0c 09 01");
    golden(Reply::Rejected(Rejection::TooManyPins { limit: 1 }), "03 0d 01");
}

#[test]
fn data_requests() {
    let group = GroupId::shard(ShardId::new(0));
    let request = |consistency| ReadRequest { keys: vec![key("k")], consistency };
    let read = |consistency| ClientRequest::Read { group, request: request(consistency) };
    golden(read(Consistency::Linearizable), "00 01 01 016b 00");
    golden(read(Consistency::Lease), "00 01 01 016b 01");
    golden(read(Consistency::Stale), "00 01 01 016b 02");
    golden(read(Consistency::AtRevision(revision(8))), "00 01 01 016b 03 08");
    let scan = ScanRequest::new(KeyRange::prefix("k"));
    golden(
        ClientRequest::Scan { group, request: scan.clone() },
        "01 01 016b 01016c 00 fbe803 fc00004000 00 00 00",
    );
    let cursor = Some(Cursor::new(revision(8), key("kk")));
    let (order, projection) = (ScanOrder::Reverse, Projection::CountOnly);
    golden(
        ClientRequest::Scan { group, request: ScanRequest { order, projection, cursor, ..scan } },
        "01 01 016b 01016c 01 fbe803 fc00004000 02 00 01 08 026b6b",
    );
    let command = Command::Compact { horizon: revision(5) };
    golden(ClientRequest::Propose { group, session: None, command }, "02 01 00 02 05");
}

#[test]
fn watches() {
    let add = WatchAdd {
        id: WatchId(1),
        range: KeyRange::prefix("k"),
        filter: WatchFilter::Deletes,
        previous: true,
        after: Some(revision(5)),
    };
    let (remove, wait_ms) = (vec![WatchId(9)], 10_000);
    let poll = WatchPoll { session: 7, sequence: 3, add: vec![add], remove, wait_ms };
    let group = GroupId::shard(ShardId::new(0));
    golden(
        ClientRequest::Watch { group, poll },
        "04 01 07 03 01 01 016b 01016c 02 01 0105 01 09 fb1027",
    );
    let put = WatchEvent { change: WatchChange::Put(entry()), previous: Some(entry()) };
    let gone = WatchChange::Delete { key: key("k"), revision: revision(6) };
    let gone = WatchEvent { change: gone, previous: None };
    let position = WatchPosition::at(revision(6), key("k"));
    let compacted = WatchError::Compacted { requested: revision(1), oldest: revision(4) };
    let reply = WatchReply {
        sets: vec![WatchSet(vec![WatchId(1), WatchId(2)])],
        events: vec![WatchedEvent { set: 0, event: put }, WatchedEvent { set: 0, event: gone }],
        alone: vec![WatchProgress { id: WatchId(1), position, joins: true }],
        through: WatchPosition::through(revision(6)),
        ended: vec![(WatchId(3), compacted)],
    };
    golden(
        ClientResponse::Watch(Ok(reply)),
        "04 00 01 02 01 02 02 00 00 016b0176 0102fb2c01 0104 01 016b0176 0102fb2c01 0104
         00 01 016b 06 00 01 01 06 00 016b 01 06 01 01 03 00 01 04",
    );
    golden(ClientResponse::Watch(Err(WatchPollError::UnknownSession)), "04 01 00");
    let many = WatchPollError::TooMany { name: "n".to_owned(), limit: 1 };
    golden(ClientResponse::Watch(Err(many)), "04 01 01 016e 01");
    let unavailable = ReadError::NoSuchGroup(GroupId::META);
    golden(ClientResponse::Watch(Err(unavailable.into())), "04 01 02 03 00");
}

#[test]
fn lease_requests_and_responses() {
    let (group, lease) = (GroupId::shard(ShardId::new(0)), LeaseId::new(9));
    let ask = |request| ClientRequest::Lease { group, request };
    golden(ask(LeaseRequest::KeepAlive { leases: vec![lease] }), "05 01 00 01 09");
    golden(ask(LeaseRequest::TimeToLive { lease, with_keys: true }), "05 01 01 09 01");
    golden(ask(LeaseRequest::List { after: lease }), "05 01 02 09");
    let answer = |response| ClientResponse::Lease(Ok(response));
    golden(answer(LeaseResponse::KeptAlive(vec![Some(1_000), None])), "05 00 00 02 01 fbe803 00");
    let status = LeaseStatus {
        lease,
        ttl_ms: 1_000,
        remaining_ms: 2,
        keys_attached: 3,
        keys: vec![key("k")],
    };
    golden(answer(LeaseResponse::TimeToLive(Some(status))), "05 00 01 01 09 fbe803 02 03 01 016b");
    golden(answer(LeaseResponse::List { leases: vec![lease], more: false }), "05 00 02 01 09 00");
}

#[test]
fn sql_requests_and_responses() {
    let group = GroupId::shard(ShardId::new(0));
    let request = SqlRequest {
        query: "q".to_owned(),
        rows_max: 1_000,
        timeout_ms: 5_000,
        consistency: Consistency::Stale,
    };
    golden(ClientRequest::Sql { group, request }, "06 01 01 71 fbe803 fb8813 02");
    let row = SqlRow(vec![
        SqlValue::Null,
        SqlValue::Integer(-1),
        SqlValue::Real(1.5),
        SqlValue::Text("t".to_owned()),
        SqlValue::Blob(Bytes::from_static(b"\xff")),
    ]);
    let reply = SqlReply {
        revision: revision(9),
        columns: vec!["c".to_owned()],
        rows: vec![row],
        truncated: true,
    };
    golden(
        ClientResponse::Sql(Ok(reply)),
        "06 00 09 01 01 63 01 05 00 01 01 02 000000000000f83f 03 01 74 04 01 ff 01",
    );
    let failed = |error| ClientResponse::Sql(Err(error));
    golden(failed(SqlError::InvalidSql("m".to_owned())), "06 01 00 01 6d");
    golden(failed(SqlError::NotAllowed("m".to_owned())), "06 01 01 01 6d");
    golden(failed(SqlError::TooManyBytes { limit: 7 }), "06 01 02 07");
    golden(failed(SqlError::TimedOut { limit_ms: 8 }), "06 01 03 08");
    golden(failed(SqlError::Unsupported("m".to_owned())), "06 01 04 01 6d");
    golden(failed(ReadError::NoSuchGroup(GroupId::META).into()), "06 01 05 03 00");
}

#[test]
fn control_requests() {
    let group = GroupId::META;
    let control = ClientRequest::Control;
    golden(control(ControlRequest::Status), "03 00");
    golden(control(ControlRequest::Metrics { group }), "03 01 00");
    golden(control(ControlRequest::Ticket), "03 02");
    let members = vec![node()];
    golden(control(ControlRequest::Init { group, members }), &node_hex("03 03 00 01", ""));
    golden(control(ControlRequest::AddLearner { node: NodeId::new(2) }), "03 04 02");
    let voters = BTreeSet::from([NodeId::new(2), NodeId::new(1)]);
    golden(control(ControlRequest::ChangeMembership { voters }), "03 05 02 01 02");
    golden(control(ControlRequest::RemoveNode { node: NodeId::new(2) }), "03 06 02");
    let to = NodeId::new(2);
    golden(control(ControlRequest::TransferLeader { group, to }), "03 07 00 02");
    golden(control(ControlRequest::TriggerSnapshot { group }), "03 08 00");
}

#[test]
fn responses() {
    let values = vec![Some(entry()), None];
    let read = ReadReply { revision: revision(9), values };
    golden(ClientResponse::Read(Ok(read)), "00 00 09 02 01 016b0176 0102fb2c01 0104 00");
    let cursor = Some(Cursor::new(revision(9), key("k")));
    let page = ScanPage { revision: revision(9), entries: vec![entry()], count: 1, cursor };
    golden(ClientResponse::Scan(Ok(page)), "01 00 09 01 016b0176 0102fb2c01 0104 01 01 09 016b");
    golden(ClientResponse::Propose(Ok(Reply::SessionOpen)), "02 00 01");
    let lost = WriteError::maybe_applied(WriteFailure::Timeout("t".to_owned()));
    golden(ClientResponse::Propose(Err(lost)), "02 01 04 01 74 01");
    let full = WriteError::not_applied(WriteFailure::DiskFull("f".to_owned()));
    golden(ClientResponse::Propose(Err(full)), "02 01 09 01 66 00");
    let (shard, detail) = (ShardId::new(7), "d".to_owned());
    golden(WriteFailure::ShardUnavailable { shard, detail: detail.clone() }, "0a 07 01 64");
    golden(WriteFailure::TooManyShards { shards: 2, limit: 1 }, "0b 02 01");
    golden(ReadError::ShardUnavailable { shard, detail }, "0b 07 01 64");
    golden(ReadError::TooManyShards { shards: 2 }, "0c 02");
    let not_leader =
        NotLeader { group: GroupId::META, leader: Some(NodeId::new(2)), address: None };
    golden(ClientResponse::Read(Err(not_leader.into())), "00 01 00 00 01 02 00");
    golden(ClientResponse::Control(Ok(ControlResponse::Done)), "03 00 00");
    let ticket = ControlResponse::Ticket("t".to_owned());
    golden(ClientResponse::Control(Ok(ticket)), "03 00 03 01 74");
    let denied = ControlError::Denied("d".to_owned());
    golden(ClientResponse::Control(Err(denied)), "03 01 05 01 64");
}

#[test]
fn peer_and_join_messages() {
    let payload = Bytes::from_static(b"raft");
    golden(PeerRequest { group: GroupId::META, kind: 3, payload }, "00 03 04 72616674");
    golden(PeerRejection::NoSuchGroup(GroupId::META), "00 00");
    golden(PeerRejection::Malformed("m".to_owned()), "01 01 6d");
    golden(PeerRejection::NotMember("n".to_owned()), "02 01 6e");
    golden(PeerRejection::Unavailable("u".to_owned()), "03 01 75");
    let cluster = ClusterId::new([0xaa; 16]);
    golden(JoinRequest { node: node(), cluster: None }, &node_hex("", "00"));
    let id = "aa".repeat(16);
    let welcome = JoinReply::Welcome { cluster, nodes: vec![node()] };
    golden(welcome, &node_hex(&format!("00 {id} 01"), ""));
    golden(JoinReply::Redirect(node()), &node_hex("01", ""));
    golden(JoinReply::Refused("r".to_owned()), "02 01 72");
    golden(JoinReply::Retry("r".to_owned()), "03 01 72");
    golden(Rights::Admin, "02");
}

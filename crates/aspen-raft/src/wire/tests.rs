#![allow(clippy::unwrap_used, clippy::panic)]
use aspen_core::{EndpointKey, NodeId};

use super::*;

fn log_id(term: u64, node_id: u64, index: u64) -> LogId {
    LogId { leader_id: LeaderId { term, node_id }, index }
}

fn membership() -> Membership {
    let record = |id| NodeRecord {
        id: NodeId::new(id),
        endpoint: EndpointKey::new([9; 32]),
        addresses: vec!["1.2.3.4:5".into()],
    };
    let members = BTreeMap::from([(1, Member(record(1))), (2, Member(record(2)))]);
    Membership::new(vec![BTreeSet::from([1])], members).unwrap()
}

#[test]
fn positions_and_votes_keep_their_bytes() {
    assert_eq!(encode_log_id(log_id(3, 2, 300)).unwrap().as_ref(), [3, 2, 251, 44, 1]);
    let vote = Vote { leader_id: LeaderId { term: 7, node_id: 1 }, committed: true };
    assert_eq!(codec::encode(&WireVote::from(vote)).unwrap().as_ref(), [7, 1, 1]);
}

#[test]
fn entries_keep_their_bytes() {
    let blank = RaftEntry { log_id: log_id(1, 2, 3), payload: EntryPayload::Blank };
    assert_eq!(to_record(&blank).unwrap().payload.as_ref(), [1, 2, 3, 0]);
    let payload = EntryPayload::Normal(EncodedBatch(Bytes::from_static(b"ab")));
    let batch = RaftEntry { log_id: log_id(1, 2, 3), payload };
    assert_eq!(to_record(&batch).unwrap().payload.as_ref(), [1, 2, 3, 1, 2, b'a', b'b']);
    let payload = EntryPayload::Membership(membership());
    let change = RaftEntry { log_id: log_id(1, 2, 3), payload };
    let mut golden = vec![1, 2, 3, 2, 1, 1, 1, 2];
    for id in [1, 2] {
        golden.extend([id, id]);
        golden.extend([9; 32]);
        golden.extend([1, 9]);
        golden.extend(b"1.2.3.4:5");
    }
    assert_eq!(to_record(&change).unwrap().payload.as_ref(), golden);
}

#[test]
fn entries_come_back_from_their_records() {
    let payloads = [
        EntryPayload::Blank,
        EntryPayload::Normal(EncodedBatch(Bytes::from_static(b"payload"))),
        EntryPayload::Membership(membership()),
    ];
    for payload in payloads {
        let entry = RaftEntry { log_id: log_id(4, 5, 1 << 40), payload };
        assert_eq!(from_record(&to_record(&entry).unwrap()).unwrap(), entry);
    }
}

#[test]
fn a_record_at_the_wrong_place_is_malformed() {
    let entry = RaftEntry { log_id: log_id(1, 1, 8), payload: EntryPayload::Blank };
    let mut record = to_record(&entry).unwrap();
    record.index = LogIndex::new(9);
    assert!(from_record(&record).unwrap_err().to_string().contains("stored at 9"));
    record.payload = record.payload.slice(..2);
    assert!(from_record(&record).is_err());
}

#[test]
fn a_membership_without_its_voters_record_is_malformed() {
    let wire = WireMembership { voters: vec![BTreeSet::from([1])], members: BTreeMap::new() };
    assert!(Membership::try_from(wire).is_err());
}

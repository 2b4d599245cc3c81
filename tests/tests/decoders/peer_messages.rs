//! What the replicas of a group send each other, through the door that the network uses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aspen_core::{
    ClusterController, EndpointKey, GroupId, Lane, MESSAGE_BYTES_MAX, NodeId, NodeRecord,
    PeerHandler, PeerRejection, PeerRequest, Transport, TransportError, codec,
};
use aspen_raft::{RaftHost, RaftOptions};
use aspen_storage::{MemoryDisk, MemoryLogStore, MemoryStateMachine};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::heap::watch;
use crate::hostile::{BYTES_PER_BYTE, FIXED_BYTES, Hostile};

const GROUP: GroupId = GroupId::META;
const KINDS: u8 = 8;

/// Messages as they are encoded: fields by position.
type LogId = (u64, u64, u64);
type Vote = (u64, u64, bool);
type Membership = (Vec<BTreeSet<u64>>, BTreeMap<u64, NodeRecord>);
type Append = (Vote, Option<LogId>, Option<LogId>, Vec<(u64, u64, u64, Payload)>);
type SnapshotBegin = (u64, Vote, (Option<LogId>, Option<LogId>, Membership), u64);

#[derive(Serialize, Deserialize)]
enum Payload {
    Blank,
    Batch(Bytes),
    Membership(Membership),
}

/// Reaches nobody.
struct Nowhere;

#[async_trait]
impl Transport for Nowhere {
    async fn call(
        &self,
        to: NodeId,
        _lane: Lane,
        _request: PeerRequest,
        _timeout: Duration,
    ) -> Result<Bytes, TransportError> {
        Err(TransportError::Unreachable { node: to, detail: "there is no network".to_owned() })
    }
}

fn record(id: u64) -> NodeRecord {
    let addresses = vec![format!("127.0.0.1:{id}")];
    NodeRecord { id: NodeId::new(id), endpoint: EndpointKey::new([1; 32]), addresses }
}

/// A replica on stores in memory.
struct Replica {
    host: Arc<RaftHost>,
    _dir: tempfile::TempDir,
}

impl Replica {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = RaftHost::new(NodeId::new(1), Arc::new(Nowhere), RaftOptions::default());
        let state = MemoryStateMachine::open(&MemoryDisk::new(GROUP, dir.path()));
        host.open_group(GROUP, MemoryLogStore::new().group(GROUP), state).await.unwrap();
        Self { host, _dir: dir }
    }

    async fn hear(&self, kind: u8, payload: Vec<u8>) -> Result<Bytes, PeerRejection> {
        let request = PeerRequest { group: GROUP, kind, payload: Bytes::from(payload) };
        self.host.handle(NodeId::new(2), request).await
    }
}

fn encode<T: Serialize>(message: T) -> Vec<u8> {
    codec::encode(&message).unwrap().to_vec()
}

/// Good messages by kind, from a node that leads in term 1.
fn good(kind: u8) -> Vec<Vec<u8>> {
    let vote: Vote = (1, 2, true);
    let nothing: Option<LogId> = None;
    let membership = (vec![vec![1u64, 2]], vec![(1u64, record(1)), (2, record(2))]);
    let blank = (1u64, 2u64, 0u64, 0u8);
    let batch = (1u64, 2u64, 1u64, 1u8, vec![1u8, 2, 3]);
    let change = (1u64, 2u64, 0u64, 2u8, membership.clone());
    match kind {
        1 => vec![
            encode((vote, nothing, nothing, Vec::<u8>::new())),
            encode((vote, nothing, nothing, (1u8, blank))),
            encode((vote, nothing, nothing, (1u8, change))),
            encode((vote, Some((1u64, 2u64, 0u64)), nothing, (1u8, batch))),
        ],
        2 | 3 => vec![encode(((2u64, 2u64, false), Some((1u64, 2u64, 300u64)), false))],
        4 => vec![encode((vote, 1u64, nothing))],
        5 => vec![vec![0], vec![1]],
        6 => vec![encode((9u64, vote, (nothing, nothing, membership), 300u64))],
        7 => vec![encode((9u64, 0u64, vec![1u8; 100])), encode((9u64, 100u64, vec![1u8; 200]))],
        _ => vec![vec![9]],
    }
}

/// Panics of any thread, which a task would hide.
fn count_panics() -> Arc<AtomicUsize> {
    let panics = Arc::new(AtomicUsize::new(0));
    let (counter, before) = (Arc::clone(&panics), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        counter.fetch_add(1, Ordering::SeqCst);
        before(info);
    }));
    panics
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Sends hostile messages of the given kinds to one replica; answers how many were refused as
/// malformed, and how many were taken.
fn bombard(seed: u64, kinds: &[u8], messages: usize) -> (usize, usize) {
    let runtime = runtime();
    let mut replica = runtime.block_on(Replica::open());
    let mut hostile: Vec<_> = kinds.iter().map(|kind| Hostile::new(seed, good(*kind))).collect();
    let (mut malformed, mut taken_well) = (0, 0);
    for number in 0..messages {
        let at = number % kinds.len();
        let payload = hostile[at].next();
        let len = payload.len();
        let taken = watch(|| runtime.block_on(replica.hear(kinds[at], payload)));
        let allowed = FIXED_BYTES + BYTES_PER_BYTE * len;
        assert!(taken.peak_bytes <= allowed, "message {number}: {} bytes", taken.peak_bytes);
        match taken.result {
            Err(PeerRejection::Malformed(what)) => {
                assert!(what.len() > 8, "message {number}: {what:?}");
                malformed += 1;
            }
            Err(error) => panic!("message {number}: {error}"),
            // The next message finds a replica that has heard no lies: a leader that contradicts
            // what it said itself before is beyond what is promised.
            Ok(_) if kinds[at] == 1 => {
                taken_well += 1;
                replica = runtime.block_on(Replica::open());
            }
            Ok(_) => taken_well += 1,
        }
    }
    (malformed, taken_well)
}

#[test]
fn votes_and_questions() {
    let panics = count_panics();
    let (malformed, taken) = bombard(30, &[2, 3, 4, 5], 3_000);
    assert!(malformed > 800 && taken > 100, "{malformed} malformed, {taken} taken");
    assert_eq!(panics.load(Ordering::SeqCst), 0);
}

#[test]
fn appended_entries() {
    let panics = count_panics();
    let (malformed, taken) = bombard(31, &[1], 1_000);
    assert!(malformed > 400 && taken > 100, "{malformed} malformed, {taken} taken");
    assert_eq!(panics.load(Ordering::SeqCst), 0);
}

#[test]
fn snapshot_transfers() {
    let panics = count_panics();
    let (malformed, taken) = bombard(32, &[6, 7, 7, 8], 3_000);
    assert!(malformed > 800 && taken > 100, "{malformed} malformed, {taken} taken");
    assert_eq!(panics.load(Ordering::SeqCst), 0);
}

#[test]
fn unknown_kinds_and_groups_are_named() {
    let runtime = runtime();
    let replica = runtime.block_on(Replica::open());
    for kind in (0..=255u8).filter(|kind| *kind == 0 || *kind > KINDS) {
        let refused = runtime.block_on(replica.hear(kind, vec![1, 2, 3])).unwrap_err();
        let wanted = format!("unknown message kind {kind}");
        assert!(refused.to_string().contains(&wanted), "{refused}");
    }
    let request = PeerRequest { group: GroupId::from_raw(77), kind: 1, payload: Bytes::new() };
    let refused = runtime.block_on(replica.host.handle(NodeId::new(2), request)).unwrap_err();
    assert_eq!(refused, PeerRejection::NoSuchGroup(GroupId::from_raw(77)));
}

/// A replica that has heard nonsense is still one.
#[test]
fn a_replica_survives_what_it_refuses() {
    let runtime = runtime();
    let replica = runtime.block_on(Replica::open());
    for kind in 1..=KINDS {
        for len in 0..200 {
            let _ = runtime.block_on(replica.hear(kind, vec![0xff; len]));
        }
    }
    runtime.block_on(replica.host.init(GROUP, vec![record(1)])).unwrap();
    let group = replica.host.group(GROUP).unwrap();
    let leads = |metrics: &aspen_core::GroupMetrics| metrics.leader == Some(NodeId::new(1));
    runtime.block_on(group.wait_metrics(Duration::from_secs(30), leads)).unwrap();
}

/// A message that decodes and contradicts itself is refused as one that does not decode.
fn refused(kind: u8, payload: Vec<u8>) {
    let panics = count_panics();
    let runtime = runtime();
    let replica = runtime.block_on(Replica::open());
    let heard = runtime.block_on(replica.hear(kind, payload));
    assert!(matches!(heard, Err(PeerRejection::Malformed(_))), "{heard:?}");
    assert_eq!(panics.load(Ordering::SeqCst), 0);
}

#[test]
fn an_append_of_a_candidate_is_refused() {
    let append: Append = ((9, 2, false), None, None, Vec::new());
    refused(1, encode(append));
}

#[test]
fn an_append_with_a_gap_is_refused() {
    let entries = vec![(1, 2, 0, Payload::Blank), (1, 2, 7, Payload::Blank)];
    let append: Append = ((1, 2, true), None, None, entries);
    refused(1, encode(append));
}

#[test]
fn a_snapshot_from_beyond_its_leaders_term_is_refused() {
    let membership = (vec![BTreeSet::from([1])], BTreeMap::from([(1, record(1))]));
    let begin: SnapshotBegin = (9, (1, 2, true), (Some((7, 2, 50)), None, membership), 0);
    refused(6, encode(begin));
}

/// An append in the receiver's own name would make it a leader whom nobody elected.
#[test]
fn nobody_speaks_for_another_node() {
    for node in [1, 3] {
        let append: Append = ((9, node, true), None, None, Vec::new());
        refused(1, encode(append));
        refused(2, encode(((9u64, node, false), None::<LogId>, false)));
        refused(4, encode(((9u64, node, true), 1u64, None::<LogId>)));
        let begin: SnapshotBegin =
            (9, (1, node, true), (None, None, (Vec::new(), BTreeMap::new())), 0);
        refused(6, encode(begin));
    }
}

#[test]
fn what_leaves_no_room_to_count_on_is_refused() {
    refused(2, encode(((u64::MAX, 2u64, false), None::<LogId>, false)));
    let append: Append = ((1, 2, true), Some((1, 2, u64::MAX)), None, Vec::new());
    refused(1, encode(append));
    let append: Append = ((1, 2, true), None, Some((1, 2, u64::MAX)), Vec::new());
    refused(1, encode(append));
    let begin: SnapshotBegin =
        (9, (1, 2, true), (None, None, (Vec::new(), BTreeMap::new())), u64::MAX);
    refused(6, encode(begin));
}

/// A message as long as any may be, all of it the smallest element that there is.
fn flood(kind: u8, before: &[u8], element: &[u8], after: &[u8]) -> (usize, usize) {
    let runtime = runtime();
    let replica = runtime.block_on(Replica::open());
    let count = (MESSAGE_BYTES_MAX - 64) / element.len();
    let mut payload = before.to_vec();
    payload.push(0xfc);
    payload.extend_from_slice(&u32::try_from(count).unwrap().to_le_bytes());
    payload.extend(element.repeat(count));
    payload.extend_from_slice(after);
    let len = payload.len();
    let taken = watch(|| drop(runtime.block_on(replica.hear(kind, payload))));
    (len, taken.peak_bytes)
}

fn check_flood(what: &str, (len, peak_bytes): (usize, usize)) {
    assert!(peak_bytes <= FIXED_BYTES + 12 * len, "{what}: {peak_bytes} bytes for {len}");
}

#[test]
fn a_flood_of_entries_takes_memory_in_proportion() {
    // The vote; nothing before, nothing committed; blank entries that all say 1, 1, 1.
    check_flood("entries", flood(1, &[1, 2, 1, 0, 0], &[1, 1, 1, 0], &[]));
}

#[test]
fn a_flood_of_voters_takes_memory_in_proportion() {
    // A transfer, its vote, nothing covered; empty sets of voters, no members, no bytes.
    check_flood("voter sets", flood(6, &[9, 1, 2, 1, 0, 0], &[0], &[0, 0]));
}

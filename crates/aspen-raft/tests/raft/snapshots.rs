//! Snapshots as they reach a follower, message by message.

use std::ops::Range;

use aspen_core::{Consistency, GroupRole, LogIndex, NodeId, PeerRejection};

use crate::cluster::{get, put};
use crate::replica::*;
use crate::wire::*;

/// The state that a leader of term 2 has after `len` entries, the last of which is of term 2.
async fn snapshot(len: u64) -> LeaderSnapshot {
    let mut entries = vec![members(1, 0, &[1, 2, 3])];
    entries.extend((1..len - 1).map(|index| batch(1, index, put(&format!("k{index}"), "v"))));
    entries.push(batch(2, len - 1, put("last", &len.to_string())));
    LeaderSnapshot::after(entries).await
}

async fn last(replica: &Replica) -> Option<String> {
    get(&replica.group(), "last", Consistency::Stale).await
}

async fn begin(replica: &Replica, message: SnapshotBegin) -> Result<(), PeerRejection> {
    replica.ask(LEADER, SNAPSHOT_BEGIN, &message).await
}

async fn chunk(replica: &Replica, message: SnapshotChunk) -> Result<(), PeerRejection> {
    replica.ask(LEADER, SNAPSHOT_CHUNK, &message).await
}

async fn finish(replica: &Replica, transfer: u64) -> Result<Vote, PeerRejection> {
    replica.ask(LEADER, SNAPSHOT_FINISH, &transfer).await
}

fn is_malformed<T>(answer: &Result<T, PeerRejection>) -> bool {
    matches!(answer, Err(PeerRejection::Malformed(_)))
}

#[tokio::test]
async fn a_snapshot_in_chunks_is_installed_and_survives_a_restart() {
    let (mut replica, snapshot) = (Replica::open().await, snapshot(10).await);
    assert_eq!(snapshot.send(&replica, 1, 2).await.unwrap(), (2, LEADER, true));
    replica.wait_applied(9).await;
    assert_eq!(last(&replica).await.unwrap(), "10");
    replica.restart().await;
    assert_eq!(last(&replica).await.unwrap(), "10");
    assert_eq!(replica.append(2, Some(at(2, 9)), blanks(2, 10..12)).await, AppendReply::Success);
    assert_eq!(replica.log().await, ids(2, 10..12));
}

#[tokio::test]
async fn a_snapshot_removes_the_log_that_conflicts_with_it() {
    let (replica, snapshot) = (Replica::with_log(20).await, snapshot(10).await);
    snapshot.send(&replica, 1, 2).await.unwrap();
    replica.wait_applied(9).await;
    assert!(replica.log().await.is_empty());
    assert_eq!(replica.append(2, Some(at(2, 9)), blanks(2, 10..11)).await, AppendReply::Success);
    assert_eq!(replica.log().await, ids(2, 10..11));
}

#[tokio::test]
async fn a_snapshot_keeps_the_log_that_goes_on_from_it() {
    let (replica, snapshot) = (Replica::with_log(9).await, snapshot(10).await);
    assert_eq!(replica.append(2, Some(at(1, 8)), blanks(2, 9..15)).await, AppendReply::Success);
    // The leader of the next term does not know that the replica has so much.
    snapshot.send(&replica, 1, 3).await.unwrap();
    replica.wait_applied(9).await;
    assert_eq!(replica.log().await, ids(2, 10..15));
    let reply = replica.append_committed(3, Some(at(2, 14)), Vec::new(), Some(at(2, 14))).await;
    assert_eq!(reply, AppendReply::Success);
    replica.wait_applied(14).await;
}

/// A leader whose appends were answered late purged its log, and sent a snapshot to a follower that
/// had all of it and more. openraft put what it had submitted back to the end of the snapshot: a
/// debug build panicked, a release build applied what came after it only with the next entry (found
/// in simulation by seed 610005 of the workload `mixed`).
#[tokio::test]
async fn a_snapshot_of_what_the_same_leader_has_sent_changes_nothing() {
    let (replica, snapshot) = (Replica::with_log(9).await, snapshot(10).await);
    assert_eq!(replica.append(2, Some(at(1, 8)), blanks(2, 9..15)).await, AppendReply::Success);
    assert_eq!(snapshot.send(&replica, 1, 2).await.unwrap(), (2, LEADER, true));
    assert_eq!(replica.log().await.len(), 15);
    let reply = replica.append_committed(2, Some(at(2, 14)), Vec::new(), Some(at(2, 14))).await;
    assert_eq!(reply, AppendReply::Success);
    replica.wait_applied(14).await;
    assert_ne!(replica.group().metrics().role, GroupRole::Stopped);
}

#[tokio::test]
async fn a_snapshot_at_the_committed_boundary_changes_nothing() {
    let (replica, snapshot) = (Replica::with_log(9).await, snapshot(10).await);
    let entries = vec![batch(2, 9, put("last", "from the log"))];
    let reply = replica.append_committed(2, Some(at(1, 8)), entries, Some(at(2, 9))).await;
    assert_eq!(reply, AppendReply::Success);
    replica.wait_applied(9).await;
    assert_eq!(snapshot.send(&replica, 1, 2).await.unwrap(), (2, LEADER, true));
    assert_eq!(last(&replica).await.unwrap(), "from the log");
    assert_eq!(replica.log().await.len(), 10);
    assert_eq!(replica.group().metrics().purged, None);
}

#[tokio::test]
async fn a_snapshot_brings_its_membership() {
    let replica = Replica::open().await;
    let entries = vec![members(1, 0, &[1, 7])];
    assert_eq!(replica.append(1, None, entries).await, AppendReply::Success);
    snapshot(10).await.send(&replica, 1, 2).await.unwrap();
    let voters = [1, 2, 3].map(NodeId::new);
    replica.wait(|metrics| metrics.voters == voters).await;
}

#[tokio::test]
async fn a_snapshot_of_an_earlier_leader_is_not_installed() {
    let (replica, snapshot) = (Replica::open().await, snapshot(10).await);
    assert_eq!(replica.append(5, None, Vec::new()).await, AppendReply::Success);
    assert_eq!(snapshot.send(&replica, 1, 2).await.unwrap(), (5, LEADER, true));
    assert_eq!(replica.group().metrics().applied, None);
}

#[tokio::test]
async fn a_transfer_cut_in_the_middle_is_started_again() {
    let (replica, snapshot) = (Replica::open().await, snapshot(30).await);
    begin(&replica, snapshot.begin(1, 2)).await.unwrap();
    chunk(&replica, snapshot.chunk(1, 0..60)).await.unwrap();
    // The leader gave up waiting for an answer; what it sends again is not what is wanted.
    assert!(is_malformed(&chunk(&replica, snapshot.chunk(1, 0..60)).await));
    assert!(is_malformed(&finish(&replica, 1).await));
    assert_eq!(replica.group().metrics().applied, None);
    snapshot.send(&replica, 2, 2).await.unwrap();
    replica.wait_applied(29).await;
    assert_eq!(last(&replica).await.unwrap(), "30");
}

/// A follower that took a damaged file for the state would be lost: consensus cannot take back that
/// a snapshot is installed.
#[tokio::test]
async fn a_corrupt_chunk_is_refused_and_the_replica_lives() {
    let (replica, snapshot) = (Replica::open().await, snapshot(30).await);
    let len = snapshot.bytes.len();
    for damaged in [0, 20, len / 2, len - 1] {
        begin(&replica, snapshot.begin(1, 2)).await.unwrap();
        let mut bytes = snapshot.bytes.to_vec();
        bytes[damaged] ^= 1;
        chunk(&replica, (1, 0, bytes.into())).await.unwrap();
        assert!(is_malformed(&finish(&replica, 1).await), "byte {damaged}");
    }
    assert_eq!(replica.group().metrics().applied, None);
    assert_ne!(replica.group().metrics().role, GroupRole::Stopped);
    snapshot.send(&replica, 2, 2).await.unwrap();
    replica.wait_applied(29).await;
}

#[tokio::test]
async fn a_file_that_covers_something_else_than_was_said_is_refused() {
    let (replica, ten, thirty) = (Replica::open().await, snapshot(10).await, snapshot(30).await);
    let (transfer, vote, covers, _) = thirty.begin(1, 2);
    begin(&replica, (transfer, vote, covers, ten.bytes.len() as u64)).await.unwrap();
    chunk(&replica, ten.chunk(1, whole(&ten))).await.unwrap();
    assert!(is_malformed(&finish(&replica, 1).await));
    ten.send(&replica, 2, 2).await.unwrap();
    replica.wait_applied(9).await;
}

fn whole(snapshot: &LeaderSnapshot) -> Range<usize> {
    0..snapshot.bytes.len()
}

#[tokio::test]
async fn a_newer_snapshot_replaces_one_that_is_streamed() {
    let (replica, older, newer) = (Replica::open().await, snapshot(10).await, snapshot(30).await);
    begin(&replica, older.begin(1, 2)).await.unwrap();
    chunk(&replica, older.chunk(1, 0..60)).await.unwrap();
    begin(&replica, newer.begin(2, 2)).await.unwrap();
    assert!(is_malformed(&chunk(&replica, older.chunk(1, 60..70)).await));
    chunk(&replica, newer.chunk(2, whole(&newer))).await.unwrap();
    finish(&replica, 2).await.unwrap();
    replica.wait_applied(29).await;
    // The older one comes late, and changes nothing.
    older.send(&replica, 3, 2).await.unwrap();
    assert_eq!(last(&replica).await.unwrap(), "30");
    assert_eq!(replica.group().metrics().snapshot, Some(LogIndex::new(29)));
}

#[tokio::test]
async fn entries_come_while_a_snapshot_is_streamed() {
    let (replica, snapshot) = (Replica::open().await, snapshot(10).await);
    let bytes = whole(&snapshot);
    begin(&replica, snapshot.begin(1, 2)).await.unwrap();
    chunk(&replica, snapshot.chunk(1, 0..60)).await.unwrap();
    assert_eq!(replica.append(2, None, blanks(1, 0..4)).await, AppendReply::Success);
    chunk(&replica, snapshot.chunk(1, 60..bytes.end)).await.unwrap();
    assert_eq!(replica.append(2, Some(at(2, 9)), Vec::new()).await, AppendReply::Conflict);
    finish(&replica, 1).await.unwrap();
    replica.wait_applied(9).await;
    assert_eq!(replica.append(2, Some(at(2, 9)), blanks(2, 10..11)).await, AppendReply::Success);
    assert_eq!(last(&replica).await.unwrap(), "10");
}

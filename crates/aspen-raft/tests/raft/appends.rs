//! What a follower does with entries, message by message (Ongaro and Ousterhout, "In Search of an
//! Understandable Consensus Algorithm", sections 5.3 and 5.4).

use aspen_core::{Consistency, GroupRole, LogIndex, NodeId, Term};

use crate::cluster::{get, put};
use crate::replica::*;
use crate::wire::*;

#[tokio::test]
async fn append_conflict_1_what_is_there_already_changes_nothing() {
    let replica = Replica::open().await;
    assert_eq!(replica.append(1, None, Vec::new()).await, AppendReply::Success);
    assert!(replica.log().await.is_empty());
    for _ in 0..2 {
        assert_eq!(replica.append(1, None, blanks(1, 0..5)).await, AppendReply::Success);
        assert_eq!(replica.log().await, ids(1, 0..5));
    }
}

#[tokio::test]
async fn append_conflict_2_fewer_entries_remove_nothing() {
    let replica = Replica::with_log(5).await;
    assert_eq!(replica.append(1, Some(at(1, 0)), blanks(1, 1..3)).await, AppendReply::Success);
    assert_eq!(replica.log().await, ids(1, 0..5));
}

#[tokio::test]
async fn append_conflict_3_entries_that_differ_are_replaced_from_there_on() {
    let replica = Replica::with_log(5).await;
    let mut entries = blanks(1, 1..3);
    entries.extend(blanks(2, 3..4));
    assert_eq!(replica.append(2, Some(at(1, 0)), entries).await, AppendReply::Success);
    assert_eq!(replica.log().await, [(1, 0), (1, 1), (1, 2), (2, 3)]);
}

#[tokio::test]
async fn append_conflict_4_after_a_differing_entry_nothing_is_appended_and_it_goes() {
    let replica = Replica::with_log(5).await;
    let reply = replica.append(2, Some(at(2, 3)), blanks(2, 4..6)).await;
    assert_eq!(reply, AppendReply::Conflict);
    assert_eq!(replica.log().await, ids(1, 0..3));
}

#[tokio::test]
async fn append_conflict_5_after_a_missing_entry_nothing_is_appended() {
    let replica = Replica::with_log(5).await;
    let reply = replica.append(1, Some(at(1, 7)), blanks(1, 8..9)).await;
    assert_eq!(reply, AppendReply::Conflict);
    assert_eq!(replica.log().await, ids(1, 0..5));
}

#[tokio::test]
async fn conflict_with_empty_entries() {
    let replica = Replica::with_log(5).await;
    // A heartbeat finds the conflict as an append does.
    assert_eq!(replica.append(2, Some(at(2, 4)), Vec::new()).await, AppendReply::Conflict);
    assert_eq!(replica.log().await, ids(1, 0..4));
    assert_eq!(replica.append(2, Some(at(1, 9)), Vec::new()).await, AppendReply::Conflict);
    assert_eq!(replica.append(2, Some(at(1, 3)), Vec::new()).await, AppendReply::Success);
    assert_eq!(replica.log().await, ids(1, 0..4));
}

#[tokio::test]
async fn a_log_with_many_entries_of_an_old_leader_is_corrected() {
    const COMMON: u64 = 20;
    const OLD: u64 = 100;
    let replica = Replica::with_log(OLD).await;
    // The new leader looks for the last entry they share from the end, as leaders do.
    let mut probe = OLD - 1;
    let found = loop {
        let term = if probe < COMMON { 1 } else { 2 };
        match replica.append(2, Some(at(term, probe)), Vec::new()).await {
            AppendReply::Success => break probe,
            AppendReply::Conflict => probe -= 1,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(found, COMMON - 1);
    let reply = replica.append(2, Some(at(1, found)), blanks(2, COMMON..COMMON + 60)).await;
    assert_eq!(reply, AppendReply::Success);
    let expected = [ids(1, 0..COMMON), ids(2, COMMON..COMMON + 60)].concat();
    assert_eq!(replica.log().await, expected);
}

#[tokio::test]
async fn only_committed_entries_are_applied_and_they_stay() {
    let replica = Replica::open().await;
    let entries =
        vec![members(1, 0, &[1, 2]), batch(1, 1, put("k", "1")), batch(1, 2, put("k", "2"))];
    let reply = replica.append_committed(1, None, entries, Some(at(1, 1))).await;
    assert_eq!(reply, AppendReply::Success);
    replica.wait_applied(1).await;
    assert_eq!(get(&replica.group(), "k", Consistency::Stale).await.unwrap(), "1");
    // The leader of the next term does not have the last one.
    let reply = replica.append(2, Some(at(1, 1)), vec![batch(2, 2, put("k", "3"))]).await;
    assert_eq!(reply, AppendReply::Success);
    assert_eq!(get(&replica.group(), "k", Consistency::Stale).await.unwrap(), "1");
    let reply = replica.append_committed(2, Some(at(2, 2)), Vec::new(), Some(at(2, 2))).await;
    assert_eq!(reply, AppendReply::Success);
    replica.wait_applied(2).await;
    assert_eq!(get(&replica.group(), "k", Consistency::Stale).await.unwrap(), "3");
}

#[tokio::test]
async fn a_commit_beyond_the_log_waits_for_its_entries() {
    let replica = Replica::with_log(2).await;
    let reply = replica.append_committed(1, Some(at(1, 1)), Vec::new(), Some(at(1, 9))).await;
    assert_eq!(reply, AppendReply::Success);
    replica.wait_applied(1).await;
    let reply = replica.append(1, Some(at(1, 1)), blanks(1, 2..5)).await;
    assert_eq!(reply, AppendReply::Success);
    let reply = replica.append_committed(1, Some(at(1, 4)), Vec::new(), Some(at(1, 9))).await;
    assert_eq!(reply, AppendReply::Success);
    replica.wait_applied(4).await;
}

fn voters(ids: &[u64]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId::new).collect()
}

#[tokio::test]
async fn three_memberships_in_one_append() {
    let replica = Replica::open().await;
    let entries = vec![members(1, 0, &[2]), members(1, 1, &[2, 3]), members(1, 2, &[1, 2, 3])];
    assert_eq!(replica.append(1, None, entries).await, AppendReply::Success);
    // The last one is in force before it is committed.
    let metrics = replica.wait(|metrics| metrics.voters == voters(&[1, 2, 3])).await;
    assert_eq!(metrics.role, GroupRole::Follower);
    assert_eq!(metrics.committed, None);
}

#[tokio::test]
async fn a_truncated_membership_is_reverted() {
    let replica = Replica::open().await;
    let entries =
        vec![members(1, 0, &[1, 2]), (1, LEADER, 1, Payload::Blank), members(1, 2, &[2, 3])];
    assert_eq!(replica.append(1, None, entries).await, AppendReply::Success);
    let metrics = replica.wait(|metrics| metrics.voters == voters(&[2, 3])).await;
    assert_eq!(metrics.role, GroupRole::Learner);
    let reply = replica.append(2, Some(at(1, 1)), blanks(2, 2..3)).await;
    assert_eq!(reply, AppendReply::Success);
    let metrics = replica.wait(|metrics| metrics.voters == voters(&[1, 2])).await;
    assert_eq!(metrics.role, GroupRole::Follower);
}

#[tokio::test]
async fn a_leader_of_a_later_term_is_followed() {
    let mut replica = Replica::with_log(2).await;
    assert_eq!(replica.append(7, Some(at(1, 1)), blanks(7, 2..3)).await, AppendReply::Success);
    let metrics = replica.wait(|metrics| metrics.leader == Some(NodeId::new(LEADER))).await;
    assert_eq!(metrics.term, Term::new(7));
    assert_eq!(metrics.last_log, Some(LogIndex::new(2)));
    let earlier = replica.append(6, Some(at(1, 1)), Vec::new()).await;
    assert_eq!(earlier, AppendReply::HigherVote((7, LEADER, true)));
    // And it is kept: a restart has not forgotten.
    replica.restart().await;
    assert_eq!(replica.stored_vote(), Some((7, LEADER, true)));
    let earlier = replica.append(6, Some(at(1, 1)), Vec::new()).await;
    assert!(matches!(earlier, AppendReply::HigherVote((7, LEADER, _))), "{earlier:?}");
    assert_eq!(replica.log().await, [(1, 0), (1, 1), (7, 2)]);
}

#[tokio::test]
async fn see_higher_vote_of_a_candidate() {
    let replica = Replica::open().await;
    let (_, granted, _) = replica.vote(VOTE, 5, 3, None).await;
    assert!(granted);
    assert_eq!(replica.stored_vote(), Some((5, 3, false)));
    let reply = replica.append(4, None, blanks(4, 0..1)).await;
    assert_eq!(reply, AppendReply::HigherVote((5, 3, false)));
    assert!(replica.log().await.is_empty());
}

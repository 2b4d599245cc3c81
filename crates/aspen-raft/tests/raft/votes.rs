//! Who gets a vote, and when there may be an election.

use std::time::Duration;

use aspen_core::{Consistency, GroupRole, NodeId, PeerHandler, PeerRequest, runtime};

use crate::cluster::*;
use crate::replica::*;
use crate::wire::*;

#[tokio::test]
async fn elect_compares_the_last_entries() {
    let mut replica = Replica::with_log(3).await;
    assert_eq!(replica.append(2, Some(at(1, 2)), blanks(2, 3..5)).await, AppendReply::Success);
    // A lease holds in memory only, and this replica does not keep silent.
    replica.restart().await;
    for behind in [None, Some(at(1, 99)), Some(at(2, 3))] {
        let (vote, granted, last) = replica.vote(VOTE, 8, 3, behind).await;
        assert!(!granted, "{behind:?}");
        assert_eq!((vote.0, last), (2, Some(at(2, 4))));
    }
    // As far, further in the same term, and shorter in a later one.
    for (term, last) in [(9, at(2, 4)), (10, at(2, 5)), (11, at(3, 0))] {
        let (vote, granted, _) = replica.vote(VOTE, term, 3, Some(last)).await;
        assert!(granted, "{last:?}");
        assert_eq!(vote, (term, 3, false));
    }
}

#[tokio::test]
async fn a_term_has_one_vote_and_a_restart_keeps_it() {
    let mut replica = Replica::open().await;
    assert!(replica.vote(VOTE, 4, 3, None).await.1);
    assert!(replica.vote(VOTE, 4, 3, None).await.1, "the same question again");
    replica.restart().await;
    assert_eq!(replica.stored_vote(), Some((4, 3, false)));
    let (vote, granted, _) = replica.vote(VOTE, 4, 2, None).await;
    assert!(!granted);
    assert_eq!(vote, (4, 3, false));
    assert!(replica.vote(VOTE, 5, 2, None).await.1);
}

#[tokio::test]
async fn a_pre_vote_promises_nothing() {
    let replica = Replica::open().await;
    let (_, granted, _) = replica.vote(PRE_VOTE, 9, 3, None).await;
    assert!(granted);
    assert_eq!(replica.stored_vote(), None);
    assert!(replica.vote(VOTE, 1, 2, None).await.1);
}

#[tokio::test]
async fn a_heartbeat_rejects_votes_until_its_lease_is_over() {
    let replica = Replica::open().await;
    assert_eq!(replica.append(2, None, Vec::new()).await, AppendReply::Success);
    for kind in [PRE_VOTE, VOTE] {
        let (vote, granted, _) = replica.vote(kind, 9, 3, Some(at(3, 9))).await;
        assert!(!granted, "kind {kind}");
        assert_eq!(vote, (2, LEADER, true));
    }
    // Unless the leader itself wants the other one to lead.
    let wanted: Question = ((9, 3, false), Some(at(3, 9)), true);
    let (_, granted, _) = replica.ask::<_, VoteReply>(3, VOTE, &wanted).await.unwrap();
    assert!(granted);

    assert_eq!(replica.append(10, None, Vec::new()).await, AppendReply::Success);
    let granted = runtime::timeout(PATIENCE, async {
        while !replica.vote(VOTE, 11, 3, Some(at(3, 9))).await.1 {
            runtime::sleep(Duration::from_millis(10)).await;
        }
    });
    granted.await.expect("the lease ends");
}

/// Asks a node of a cluster whether it would vote for a stranger with a perfect log.
async fn would_vote(cluster: &Cluster, id: u64) -> bool {
    let question: Question = ((1_000, 7, false), Some((1_000, 7, 1_000_000)), false);
    let request = PeerRequest { group: GROUP, kind: PRE_VOTE, payload: encode(&question) };
    let answer = cluster.host(id).handle(NodeId::new(7), request).await.unwrap();
    decode::<VoteReply>(&answer).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_votes_against_a_leader_that_lives() {
    let cluster = Cluster::new(3, patient()).await;
    let leader = cluster.leader().await;
    let term = cluster.group(leader).metrics().term;
    for round in 0..20 {
        cluster.put("k", &round.to_string()).await;
        for id in cluster.ids() {
            assert!(!would_vote(&cluster, id).await, "node {id}");
        }
    }
    // Once its lease is over, and not before, they may choose another.
    cluster.network.isolate(NodeId::new(leader));
    let new = cluster.leader_but(Some(leader)).await;
    assert!(cluster.group(new).metrics().term > term);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_with_the_longer_log_is_elected() {
    let mut cluster = Cluster::new(3, options()).await;
    let behind = cluster.follower().await;
    cluster.stop(behind).await;
    for n in 0..10 {
        cluster.put(&format!("k{n}"), "v").await;
    }
    let old = cluster.leader().await;
    let ahead = cluster.ids().into_iter().find(|id| *id != old).unwrap();
    cluster.stop(old).await;
    cluster.start(behind).await;
    assert_eq!(cluster.leader().await, ahead);
    let value = get(&cluster.group(behind), "k9", Consistency::Linearizable).await;
    assert_eq!(value.unwrap(), "v");
}

/// A voter that has promised a later term makes the leader step down, and a leader of a term beyond
/// that goes on with all that was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn see_higher_vote_and_the_leader_steps_down() {
    let cluster = Cluster::new(3, options()).await;
    cluster.put("k", "before").await;
    let follower = cluster.follower().await;
    let term = cluster.group(follower).metrics().term.get();
    let question: Question = ((term + 10, 7, false), Some((term + 9, 7, 1_000)), true);
    let request = PeerRequest { group: GROUP, kind: VOTE, payload: encode(&question) };
    let answer = cluster.host(follower).handle(NodeId::new(7), request).await.unwrap();
    assert!(decode::<VoteReply>(&answer).1);
    for id in cluster.ids() {
        cluster.wait(id, |metrics| metrics.term.get() >= term + 10).await;
    }
    cluster.put("k", "after").await;
    let leader = cluster.leader().await;
    assert!(cluster.group(leader).metrics().term.get() > term + 10);
    for id in cluster.ids() {
        let value = get(&cluster.group(id), "k", Consistency::Linearizable).await;
        assert_eq!(value.unwrap(), "after");
    }
}

/// A node that cannot hear the others asks for votes again and again; it asks before it votes for
/// itself, and so disturbs nobody when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_cut_off_rejoins_without_an_election() {
    let cluster = Cluster::new(3, patient()).await;
    let leader = cluster.leader().await;
    let term = cluster.group(leader).metrics().term;
    let lonely = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    cluster.network.isolate(NodeId::new(lonely));
    let asked = cluster.network.sent(PRE_VOTE);
    let campaigns = runtime::timeout(PATIENCE, async {
        while cluster.network.sent(PRE_VOTE) < asked + 4 {
            cluster.put("k", "written meanwhile").await;
        }
    });
    campaigns.await.expect("it campaigns");
    cluster.network.heal();
    let value = get(&cluster.group(lonely), "k", Consistency::Linearizable).await;
    assert_eq!(value.unwrap(), "written meanwhile");
    let metrics = cluster.group(leader).metrics();
    assert_eq!((metrics.role, metrics.term), (GroupRole::Leader, term));
    assert_eq!(cluster.group(lonely).metrics().term, term);
}

/// A follower that hears nobody and reaches everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_only_speaks_deposes_nobody() {
    let cluster = Cluster::new(3, patient()).await;
    let leader = cluster.leader().await;
    let term = cluster.group(leader).metrics().term;
    let deaf = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    for other in cluster.ids().into_iter().filter(|id| *id != deaf) {
        cluster.network.cut_one_way(NodeId::new(other), NodeId::new(deaf));
    }
    let asked = cluster.network.delivered(PRE_VOTE);
    let campaigns = runtime::timeout(PATIENCE, async {
        while cluster.network.delivered(PRE_VOTE) < asked + 4 {
            cluster.put("k", "v").await;
        }
    });
    campaigns.await.expect("it campaigns");
    let metrics = cluster.group(leader).metrics();
    assert_eq!((metrics.role, metrics.term), (GroupRole::Leader, term));
}

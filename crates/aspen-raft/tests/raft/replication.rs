//! How a leader brings its followers level.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aspen_core::{
    ClusterController, Consistency, GroupRole, LogIndex, NodeId, Proposal, Reply, WriteError,
    runtime,
};
use aspen_raft::RaftOptions;

use crate::cluster::*;
use crate::network::{Envelope, Verdict};
use crate::wire::*;

/// Appends that carry entries, by receiver.
type Counts = Arc<Mutex<BTreeMap<NodeId, u64>>>;

fn entries_of(envelope: &Envelope) -> Option<Append> {
    let append: Append = (envelope.kind == APPEND).then(|| decode(&envelope.payload))?;
    (!append.3.is_empty()).then_some(append)
}

/// Lets no entries through, and everything else: the leader keeps its lease.
fn hold_entries(cluster: &Cluster) {
    cluster.network.meddle(|envelope| match entries_of(envelope) {
        Some(_) => Verdict::Lose,
        None => Verdict::Deliver,
    });
}

/// Proposes at a leader while no entry reaches its followers, and waits until its log has `count`
/// more.
async fn propose_unseen(
    cluster: &Cluster,
    leader: u64,
    proposals: Vec<Proposal>,
    count: u64,
) -> runtime::JoinHandle<Vec<Result<Reply, WriteError>>> {
    // A fresh leader must have been confirmed before it takes any.
    cluster.put("first", "v").await;
    hold_entries(cluster);
    let group = cluster.group(leader);
    let before = cluster.end(leader).unwrap().get();
    let writing = runtime::spawn(async move { group.propose(proposals).await });
    let end = LogIndex::new(before + count);
    cluster.wait(leader, |metrics| metrics.last_log >= Some(end)).await;
    writing
}

/// Each proposal an entry of the log, and many of them under way.
fn one_by_one() -> RaftOptions {
    RaftOptions { batch_proposals_max: 1, batches_in_flight_max: 100, ..options() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn append_entries_partial_success() {
    const QUOTA: usize = 3;
    let cluster = Cluster::new(2, one_by_one()).await;
    let leader = cluster.leader().await;
    let proposals = (0..40).map(|n| put(&format!("k{n}"), "v")).collect();
    let writing = propose_unseen(&cluster, leader, proposals, 40).await;
    let cut = Arc::new(Mutex::new(0));
    let counted = cut.clone();
    // The follower takes so many entries of a message, and says so.
    cluster.network.meddle(move |envelope| {
        let Some((vote, previous, committed, mut entries)) = entries_of(envelope) else {
            return Verdict::Deliver;
        };
        if entries.len() <= QUOTA {
            return Verdict::Deliver;
        }
        *counted.lock().unwrap() += 1;
        entries.truncate(QUOTA);
        let (term, node, index, _) = entries[QUOTA - 1];
        let heard = AppendReply::Partial(Some((term, node, index)));
        Verdict::Answer(encode(&(vote, previous, committed, entries)), encode(&heard))
    });
    let results = writing.await.unwrap();
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert!(*cut.lock().unwrap() > 0, "no message was too long");
    cluster.level().await;
}

/// A partial success without any entry is no progress, and no failure either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partial_success_of_nothing_is_tried_again() {
    let cluster = Cluster::new(2, options()).await;
    let refused = Arc::new(Mutex::new(0));
    let counted = refused.clone();
    cluster.network.meddle(move |envelope| {
        let Some((vote, previous, committed, _)) = entries_of(envelope) else {
            return Verdict::Deliver;
        };
        let mut refused = counted.lock().unwrap();
        *refused += 1;
        if *refused > 3 {
            return Verdict::Deliver;
        }
        let nothing: Append = (vote, previous, committed, Vec::new());
        Verdict::Answer(encode(&nothing), encode(&AppendReply::Partial(previous)))
    });
    cluster.put("k", "v").await;
    assert!(*refused.lock().unwrap() > 3);
    cluster.level().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_about_what_was_not_sent_stops_nobody() {
    let cluster = Cluster::new(3, patient()).await;
    let leader = cluster.leader().await;
    let liar = NodeId::new(cluster.follower().await);
    cluster.network.meddle(move |envelope| {
        if envelope.kind != APPEND || envelope.to != liar {
            return Verdict::Deliver;
        }
        let (vote, _, _, entries): Append = decode(&envelope.payload);
        let lie = match entries.len() {
            0 => AppendReply::Conflict,
            1 => AppendReply::Partial(Some((vote.0, vote.1, 1 << 40))),
            _ => AppendReply::HigherVote((1 << 63, vote.1, true)),
        };
        Verdict::Answer(envelope.payload.clone(), encode(&lie))
    });
    for n in 0..30 {
        cluster.put("k", &n.to_string()).await;
    }
    assert_eq!(cluster.group(leader).metrics().role, GroupRole::Leader);
    cluster.network.stop_meddling();
    cluster.put("k", "after").await;
    cluster.level().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn append_entries_backoff() {
    const WRITES_MIN: u64 = 200;
    let cluster = Cluster::new(3, options()).await;
    let away = NodeId::new(cluster.follower().await);
    let tried = Counts::default();
    let counted = tried.clone();
    cluster.network.meddle(move |envelope| {
        if entries_of(envelope).is_some() {
            *counted.lock().unwrap().entry(envelope.to).or_default() += 1;
        }
        match envelope.to == away {
            true => Verdict::Lose,
            false => Verdict::Deliver,
        }
    });
    let tries = || tried.lock().unwrap().get(&away).copied().unwrap_or(0);
    let mut written = 0;
    // Many writes may pass before the first try: an append without entries was lost before them.
    while written < WRITES_MIN || tries() == 0 {
        cluster.put("k", &written.to_string()).await;
        written += 1;
    }
    // One that cannot be reached is not tried with every write.
    assert!(tries() < written / 2, "{} tries of {written} writes", tries());
    cluster.network.stop_meddling();
    cluster.level().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn append_entries_backoff_rejoin() {
    let cluster = Cluster::new(3, options()).await;
    cluster.put("first", "v").await;
    let old = cluster.leader().await;
    cluster.network.isolate(NodeId::new(old));
    let new = cluster.leader_but(Some(old)).await;
    for n in 0..100 {
        cluster.put(&format!("k{n}"), "v").await;
    }
    // The new leader has long given up trying often.
    cluster.network.heal();
    let group = cluster.group(old);
    assert_eq!(get(&group, "k99", Consistency::Linearizable).await.unwrap(), "v");
    assert_eq!(group.metrics().leader, Some(NodeId::new(new)));
    cluster.level().await;
}

/// A leader that was cut off with more than 50 entries that nobody else has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn append_inconsistent_log() {
    let cluster = Cluster::new(3, one_by_one()).await;
    cluster.put("k", "before").await;
    let old = cluster.leader().await;
    let proposals = (0..60).map(|n| put(&format!("lost{n}"), "v")).collect();
    let lost = propose_unseen(&cluster, old, proposals, 60).await;
    cluster.network.isolate(NodeId::new(old));
    cluster.network.stop_meddling();
    cluster.leader_but(Some(old)).await;
    cluster.put("k", "after").await;
    cluster.network.heal();
    cluster.level().await;
    let group = cluster.group(old);
    assert_eq!(get(&group, "k", Consistency::Linearizable).await.unwrap(), "after");
    for n in 0..60 {
        let key = format!("lost{n}");
        assert_eq!(get(&group, &key, Consistency::Linearizable).await, None, "{key}");
    }
    assert!(lost.await.unwrap().iter().all(Result::is_err));
}

/// A message of entries is never longer than any message may be, however much waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_entries_than_a_message_takes_go_in_several() {
    let large = RaftOptions { batch_bytes_max: 1, batches_in_flight_max: 100, ..options() };
    let cluster = Cluster::new(2, large).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    let value = "x".repeat(900_000);
    let proposals = (0..20).map(|n| put(&format!("k{n}"), &value)).collect();
    let writing = propose_unseen(&cluster, leader, proposals, 20).await;
    let carried = Counts::default();
    let counted = carried.clone();
    cluster.network.meddle(move |envelope| {
        if entries_of(envelope).is_some() {
            *counted.lock().unwrap().entry(envelope.to).or_default() += 1;
        }
        Verdict::Deliver
    });
    let results = writing.await.unwrap();
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    // The network itself refuses a message beyond the limit.
    assert!(carried.lock().unwrap()[&NodeId::new(follower)] > 1);
    cluster.level().await;
}

/// A follower that comes back with an empty disk has lost what it confirmed. It stops nobody, and
/// gets nothing either, until it is removed and joins as a new node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follower_clear_and_restart() {
    let mut cluster = Cluster::new(3, patient()).await;
    for n in 0..20 {
        cluster.put(&format!("k{n}"), "v").await;
    }
    let leader = cluster.leader().await;
    let lost = cluster.follower().await;
    let last = cluster.end(leader);
    cluster.wait(lost, |metrics| metrics.applied >= last).await;
    cluster.stop(lost).await;
    cluster.lose_disk(lost);
    cluster.start(lost).await;
    for n in 0..20 {
        cluster.put("after", &n.to_string()).await;
    }
    assert_eq!(cluster.group(leader).metrics().role, GroupRole::Leader);
    cluster.host(leader).remove_node(GROUP, NodeId::new(lost)).await.unwrap();
    cluster.stop(lost).await;
    cluster.start(4).await;
    cluster.host(leader).add_learner(GROUP, record(4)).await.unwrap();
    let voters = cluster.ids().into_iter().map(NodeId::new).collect();
    cluster.host(leader).change_membership(GROUP, voters).await.unwrap();
    cluster.level().await;
}

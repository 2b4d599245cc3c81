//! Losing and regaining leaders without losing writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aspen_core::{
    ClientId, Command, Consistency, NodeId, Proposal, Rejection, Reply, SessionStamp, runtime,
};

use crate::cluster::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_elect_when_the_leader_is_cut_off() {
    let cluster = Cluster::new(3, options()).await;
    cluster.put("k", "before").await;
    let old = cluster.leader().await;
    cluster.network.isolate(NodeId::new(old));
    let new = cluster.leader_but(Some(old)).await;
    assert_ne!(old, new);
    cluster.put("k", "after").await;
    cluster.network.heal();
    cluster.wait(old, |metrics| metrics.leader == Some(NodeId::new(new))).await;
    assert_eq!(get(&cluster.group(old), "k", Consistency::Linearizable).await.unwrap(), "after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_off_leader_serves_no_stale_read() {
    let fast = aspen_raft::RaftOptions { read_timeout_ms: 500, ..options() };
    let cluster = Cluster::new(3, fast).await;
    cluster.put("k", "before").await;
    let old = cluster.leader().await;
    cluster.network.isolate(NodeId::new(old));
    cluster.leader_but(Some(old)).await;
    cluster.put("k", "after").await;
    for consistency in [Consistency::Linearizable, Consistency::Lease] {
        let read = read(&cluster.group(old), "k", consistency).await;
        assert!(read.is_err(), "{read:?}");
    }
    assert_eq!(get(&cluster.group(old), "k", Consistency::Stale).await.unwrap(), "before");
}

/// A client with a session that retries each write until it is answered.
struct Writer {
    cluster: Arc<Cluster>,
    client: ClientId,
    key: String,
}

impl Writer {
    async fn open(cluster: Arc<Cluster>, number: u8) -> Self {
        let writer =
            Self { cluster, client: ClientId::new([number; 16]), key: format!("writer{number}") };
        let command = Command::OpenSession { client: writer.client };
        let reply = writer.settle(Proposal { session: None, command }).await;
        assert_eq!(reply, Reply::SessionOpen);
        writer
    }

    /// Retries the same proposal at every node in turn until one answers.
    async fn settle(&self, proposal: Proposal) -> Reply {
        let settled = runtime::timeout(PATIENCE, async {
            for id in (1..=3).cycle() {
                match propose(&self.cluster.group(id), proposal.clone()).await {
                    Ok(reply) => return reply,
                    Err(_) => runtime::sleep(Duration::from_millis(5)).await,
                }
            }
            unreachable!("the cycle does not end")
        });
        settled.await.expect("some node answers in time")
    }

    async fn write(&self, sequence: u64) {
        let stamp = SessionStamp { client: self.client, sequence, settled_below: sequence };
        let proposal = stamped(put(&self.key, &sequence.to_string()), stamp);
        match self.settle(proposal).await {
            Reply::Transaction(outcome) => assert!(outcome.succeeded),
            other => panic!("write {sequence}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_acknowledged_writes_survive_partitions_and_apply_once() {
    let impatient = aspen_raft::RaftOptions { proposal_timeout_ms: 300, ..options() };
    let cluster = Arc::new(Cluster::new(3, impatient).await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for number in 1..=8 {
        let (cluster, stop) = (cluster.clone(), stop.clone());
        writers.push(runtime::spawn(async move {
            let writer = Writer::open(cluster, number).await;
            let mut written = 0;
            while !stop.load(Ordering::Relaxed) {
                writer.write(written).await;
                written += 1;
            }
            (writer.key, written)
        }));
    }
    for _ in 0..4 {
        let leader = cluster.leader().await;
        cluster.network.isolate(NodeId::new(leader));
        let next = cluster.leader_but(Some(leader)).await;
        let revision = cluster.group(next).metrics().revision;
        // Some writes go through the new leader before the next partition.
        cluster.wait(next, |metrics| metrics.revision.get() > revision.get() + 20).await;
        cluster.network.heal();
        cluster.network.set_drop_percent(5);
    }
    cluster.network.set_drop_percent(0);
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        let (key, written) = writer.await.unwrap();
        assert!(written > 0);
        for id in cluster.ids() {
            let found = find(&cluster.group(id), &key, Consistency::Linearizable).await.unwrap();
            assert_eq!(found.version, written, "{key} at node {id}: applied once each");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_at_the_next_leader_gets_the_first_answer() {
    let cluster = Arc::new(Cluster::new(3, options()).await);
    let writer = Writer::open(cluster.clone(), 1).await;
    let stamp = SessionStamp { client: writer.client, sequence: 0, settled_below: 0 };
    let proposal = stamped(put("k", "once"), stamp);
    let first = writer.settle(proposal.clone()).await;
    let old = cluster.leader().await;
    cluster.network.isolate(NodeId::new(old));
    cluster.leader_but(Some(old)).await;
    assert_eq!(writer.settle(proposal).await, first);
    let next = cluster.group(cluster.leader_but(Some(old)).await);
    let found = find(&next, "k", Consistency::Linearizable).await.unwrap();
    assert_eq!(found.version, 1);
}

#[tokio::test]
async fn a_stamp_without_a_session_is_rejected_not_applied() {
    let cluster = Cluster::new(1, options()).await;
    let stamp = SessionStamp { client: ClientId::new([9; 16]), sequence: 0, settled_below: 0 };
    let reply = propose(&cluster.group(1), stamped(put("k", "v"), stamp)).await.unwrap();
    assert_eq!(reply, Reply::Rejected(Rejection::SessionExpired));
}

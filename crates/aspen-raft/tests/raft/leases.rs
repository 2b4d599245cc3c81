//! Leases: who keeps their time, and that none ends early.

use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{
    ClientId, ClusterController, Command, Consistency, KeyRange, LeaseId, LeaseRequest,
    LeaseResponse, LeaseStatus, NodeId, Operation, Proposal, ReadError, Rejection, Reply, Revision,
    ScanRequest, SessionStamp, Transaction, Value,
};
use aspen_raft::{Group, RaftOptions};

use crate::cluster::*;

const TTL_MS: u64 = 1_500;
const TTL: Duration = Duration::from_millis(TTL_MS);

fn command(command: Command) -> Proposal {
    Proposal { session: None, command }
}

async fn grant(cluster: &Cluster, ttl_ms: u64) -> LeaseId {
    let group = cluster.group(cluster.leader().await);
    let proposal = command(Command::GrantLease { lease: LeaseId::UNCHOSEN, ttl_ms });
    match propose(&group, proposal).await.unwrap() {
        Reply::LeaseGranted { lease, ttl_ms: granted } if granted == ttl_ms => lease,
        other => panic!("{other:?}"),
    }
}

/// Puts keys, all attached to a lease; answers the revision.
async fn attach(cluster: &Cluster, lease: LeaseId, keys: &[&str]) -> Revision {
    let put = |name: &&str| Operation::Put {
        key: key(name),
        value: Value::default(),
        lease: Some(lease),
    };
    let success = keys.iter().map(put).collect();
    let transaction = Transaction { success, ..Transaction::default() };
    let group = cluster.group(cluster.leader().await);
    write(&group, command(Command::Transaction(transaction))).await.unwrap().revision
}

async fn keep_alive(group: &Group, lease: LeaseId) -> Result<Option<u64>, ReadError> {
    match group.lease(LeaseRequest::KeepAlive { leases: vec![lease] }).await? {
        LeaseResponse::KeptAlive(kept) => Ok(kept[0]),
        other => panic!("{other:?}"),
    }
}

async fn status(group: &Group, lease: LeaseId) -> Result<Option<LeaseStatus>, ReadError> {
    match group.lease(LeaseRequest::TimeToLive { lease, with_keys: true }).await? {
        LeaseResponse::TimeToLive(status) => Ok(status),
        other => panic!("{other:?}"),
    }
}

/// Waits until a key is seen to be gone; answers when.
async fn wait_gone(cluster: &Cluster, name: &str) -> Instant {
    let gone = runtime::timeout(PATIENCE, async {
        loop {
            let group = cluster.group(cluster.leader().await);
            if find(&group, name, Consistency::Linearizable).await.is_none() {
                return runtime::now();
            }
            runtime::sleep(Duration::from_millis(10)).await;
        }
    });
    gone.await.expect("the key goes in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_nobody_keeps_alive_takes_its_keys_along_at_one_revision() {
    let cluster = Cluster::new(3, options()).await;
    let granted = runtime::now();
    let lease = grant(&cluster, TTL_MS).await;
    let attached = attach(&cluster, lease, &["a", "b"]).await;
    let gone = wait_gone(&cluster, "a").await;
    assert!(gone - granted >= TTL);
    let group = cluster.group(cluster.leader().await);
    let page = group.scan(ScanRequest::new(KeyRange::all())).await.unwrap();
    assert_eq!((page.entries.len(), page.revision), (0, attached.next()));
    let past = ScanRequest {
        consistency: Consistency::AtRevision(attached),
        ..ScanRequest::new(KeyRange::all())
    };
    assert_eq!(group.scan(past).await.unwrap().entries.len(), 2);
    assert_eq!(keep_alive(&group, lease).await, Ok(None));
    assert_eq!(status(&group, lease).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_lives_at_least_its_ttl_after_every_keep_alive() {
    let cluster = Cluster::new(3, options()).await;
    let mut sent = runtime::now();
    let begun = sent;
    let lease = grant(&cluster, TTL_MS).await;
    attach(&cluster, lease, &["a"]).await;
    let group = cluster.group(cluster.leader().await);
    while runtime::now() - begun < 3 * TTL {
        let asked = runtime::now();
        match keep_alive(&group, lease).await {
            Ok(Some(TTL_MS)) => sent = asked,
            // Only a machine that stalled for a whole TTL may bring this about.
            Ok(None) => {
                assert!(runtime::now() - sent >= TTL, "it ended early");
                return;
            }
            other => panic!("{other:?}"),
        }
        runtime::sleep(TTL / 10).await;
    }
    let gone = wait_gone(&cluster, "a").await;
    assert!(gone - sent >= TTL);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_gives_every_lease_its_whole_time_anew() {
    let mut cluster = Cluster::new(3, options()).await;
    let lease = grant(&cluster, TTL_MS).await;
    attach(&cluster, lease, &["a"]).await;
    let old = cluster.leader().await;
    // The old leader's time for it is almost over.
    runtime::sleep(TTL / 2).await;
    let stopped = runtime::now();
    cluster.stop(old).await;
    let new = cluster.leader_but(Some(old)).await;
    let group = cluster.group(new);
    let left = runtime::timeout(PATIENCE, async {
        loop {
            if let Ok(status) = status(&group, lease).await {
                return status.expect("the lease is in force").remaining_ms;
            }
            runtime::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(left.await.unwrap() > 0);
    let gone = wait_gone(&cluster, "a").await;
    assert!(gone - stopped >= TTL, "the new leader knows no promise, so it gives the whole TTL");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_kept_alive_across_a_change_of_leader() {
    let cluster = Cluster::new(3, options()).await;
    let lease = grant(&cluster, 60_000).await;
    attach(&cluster, lease, &["b", "a"]).await;
    let (old, to) = (cluster.leader().await, cluster.follower().await);
    assert_eq!(keep_alive(&cluster.group(old), lease).await, Ok(Some(60_000)));
    cluster.host(old).transfer_leader(GROUP, NodeId::new(to)).await.unwrap();
    cluster.wait(to, |metrics| metrics.leader == Some(NodeId::new(to))).await;
    assert_eq!(keep_alive(&cluster.group(to), lease).await, Ok(Some(60_000)));
    let status = status(&cluster.group(to), lease).await.unwrap().unwrap();
    assert_eq!((status.ttl_ms, status.keys_attached), (60_000, 2));
    assert_eq!(status.keys, [key("a"), key("b")]);
    let list = cluster.group(to).lease(LeaseRequest::List { after: LeaseId::UNCHOSEN }).await;
    assert_eq!(list, Ok(LeaseResponse::List { leases: vec![lease], more: false }));
    let error = keep_alive(&cluster.group(old), lease).await.unwrap_err();
    let ReadError::NotLeader(hint) = error else { panic!("{error:?}") };
    assert_eq!(hint.leader, Some(NodeId::new(to)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_no_quorum_confirms_promises_nothing() {
    let hasty = RaftOptions { read_timeout_ms: 300, ..options() };
    let cluster = Cluster::new(3, hasty).await;
    let lease = grant(&cluster, 60_000).await;
    let old = cluster.leader().await;
    let group = cluster.group(old);
    assert_eq!(keep_alive(&group, lease).await, Ok(Some(60_000)));
    cluster.network.isolate(NodeId::new(old));
    let refused = keep_alive(&group, lease).await;
    assert!(refused.is_err(), "{refused:?}");
    let new = cluster.leader_but(Some(old)).await;
    let kept = runtime::timeout(PATIENCE, async {
        while keep_alive(&cluster.group(new), lease).await != Ok(Some(60_000)) {
            runtime::sleep(Duration::from_millis(20)).await;
        }
    });
    kept.await.expect("the new leader keeps it alive");
    assert!(keep_alive(&group, lease).await.is_err(), "the old one still knows no better");
    cluster.network.heal();
}

#[tokio::test]
async fn a_key_with_a_ttl_goes_by_itself() {
    let cluster = Cluster::new(1, options()).await;
    let put =
        |name: &str| Operation::PutTtl { key: key(name), value: Value::default(), ttl_ms: 1_000 };
    let success = vec![put("gone"), put("kept")];
    let transaction = Transaction { success, ..Transaction::default() };
    let begun = runtime::now();
    write(&cluster.group(1), command(Command::Transaction(transaction))).await.unwrap();
    cluster.put("kept", "v").await;
    let gone = wait_gone(&cluster, "gone").await;
    assert!(gone - begun >= Duration::from_secs(1));
    assert_eq!(get(&cluster.group(1), "kept", Consistency::Linearizable).await.unwrap(), "v");
}

#[tokio::test]
async fn a_retried_grant_is_one_lease_and_a_revoked_one_is_gone() {
    let cluster = Cluster::new(1, options()).await;
    let group = cluster.group(1);
    let client = ClientId::new([1; 16]);
    propose(&group, command(Command::OpenSession { client })).await.unwrap();
    let stamp = SessionStamp { client, sequence: 0, settled_below: 0 };
    let ask = || command(Command::GrantLease { lease: LeaseId::UNCHOSEN, ttl_ms: 60_000 });
    let first = propose(&group, stamped(ask(), stamp)).await.unwrap();
    assert_eq!(propose(&group, stamped(ask(), stamp)).await.unwrap(), first);
    let Reply::LeaseGranted { lease, .. } = first else { panic!("{first:?}") };
    assert!(lease != LeaseId::UNCHOSEN && !lease.is_private());
    let attached = attach(&cluster, lease, &["a", "b", "c"]).await;
    let revoked = propose(&group, command(Command::RevokeLease { lease })).await.unwrap();
    assert_eq!(revoked, Reply::LeaseRevoked { revision: attached.next(), keys: 3 });
    let again = propose(&group, command(Command::RevokeLease { lease })).await.unwrap();
    assert_eq!(again, Reply::Rejected(Rejection::NoSuchLease { lease }));
    assert_eq!(keep_alive(&group, lease).await, Ok(None));
}

#[tokio::test]
async fn leases_survive_a_restart_with_their_whole_time() {
    let mut cluster = Cluster::new(1, options()).await;
    let lease = grant(&cluster, TTL_MS).await;
    attach(&cluster, lease, &["a"]).await;
    cluster.stop(1).await;
    let stopped = runtime::now();
    cluster.start(1).await;
    let gone = wait_gone(&cluster, "a").await;
    assert!(gone - stopped >= TTL);
}

#[tokio::test]
async fn many_leases_end_together() {
    let cluster = Cluster::new(1, options()).await;
    let group = cluster.group(1);
    let value = Value::default;
    for chunk in 0..3 {
        let put = |n: u64| Operation::PutTtl {
            key: key(&format!("{chunk}-{n:04}")),
            value: value(),
            ttl_ms: 1_000,
        };
        let success = (0..1_000).map(put).collect();
        let transaction = Transaction { success, ..Transaction::default() };
        write(&group, command(Command::Transaction(transaction))).await.unwrap();
    }
    let empty = runtime::timeout(PATIENCE, async {
        while !group.state().leases().await.unwrap().is_empty() {
            runtime::sleep(Duration::from_millis(20)).await;
        }
    });
    empty.await.expect("all leases end");
    let page = group.scan(ScanRequest::new(KeyRange::all())).await.unwrap();
    assert_eq!(page.entries.len(), 0);
}

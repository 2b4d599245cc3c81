//! Pins: what they keep readable survives compaction, restarts, snapshots and changes of leader.

use std::time::Duration;

use aspen_core::{
    Applied, Command, Consistency, KeyRange, KeyValue, LeaseId, Operation, Proposal, ReadError,
    Reply, Revision, ScanRequest, Transaction, runtime,
};
use aspen_raft::Group;

use crate::cluster::*;

/// Longer than any test.
const TTL_MS: u64 = 3_600_000;

/// Runs a command at whoever leads; again when it has surely not happened.
async fn run(cluster: &Cluster, command: Command) -> Reply {
    let ran = runtime::timeout(PATIENCE, async {
        loop {
            let group = cluster.group(cluster.leader().await);
            match propose(&group, Proposal { session: None, command: command.clone() }).await {
                Err(error) if error.applied == Applied::No => {
                    runtime::sleep(Duration::from_millis(20)).await;
                }
                reply => return reply.unwrap(),
            }
        }
    });
    ran.await.expect("the command runs in time")
}

async fn pin(cluster: &Cluster) -> (LeaseId, Revision) {
    let grant = Command::GrantLease { lease: LeaseId::UNCHOSEN, ttl_ms: TTL_MS };
    let Reply::LeaseGranted { lease, .. } = run(cluster, grant).await else {
        panic!("not granted")
    };
    match run(cluster, Command::PinRevision { lease, revision: None }).await {
        Reply::RevisionPinned { revision } => (lease, revision),
        other => panic!("{other:?}"),
    }
}

/// All keys and values at a revision.
async fn contents(group: &Group, at: Revision) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
    let consistency = Consistency::AtRevision(at);
    let request = ScanRequest { consistency, ..ScanRequest::new(KeyRange::all()) };
    let page = group.scan(request).await?;
    let pair = |entry: &KeyValue| (entry.key.to_string(), entry.value.as_bytes().to_vec());
    Ok(page.entries.iter().map(pair).collect())
}

/// A follower is away while everything that the pin reads is changed or deleted and compacted; it
/// comes back by a snapshot, and leads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_revision_outlives_compaction_a_snapshot_and_its_leader() {
    let mut cluster = Cluster::new(3, options()).await;
    for n in 0..5 {
        cluster.put(&format!("k{n}"), "old").await;
    }
    let lagging = cluster.follower().await;
    cluster.stop(lagging).await;
    let (lease, pinned) = pin(&cluster).await;
    let leader = cluster.leader().await;
    let expected = contents(&cluster.group(leader), pinned).await.unwrap();
    assert_eq!(expected.len(), 5);
    cluster.put("k1", "new").await;
    let success = vec![Operation::Delete { key: key("k2") }];
    let delete = Transaction { success, ..Transaction::default() };
    run(&cluster, Command::Transaction(delete)).await;
    let horizon = cluster.put("k5", "new").await.revision;
    let compacted = run(&cluster, Command::Compact { horizon }).await;
    assert_eq!(compacted, Reply::Compacted { horizon }, "the pin does not hold it up");

    let applied = cluster.shorten_log().await;
    cluster.start(lagging).await;
    cluster.wait(lagging, |metrics| metrics.applied >= applied).await;
    cluster.send_leadership(lagging).await;

    for id in cluster.ids() {
        cluster.wait(id, |metrics| metrics.applied >= applied).await;
        let group = cluster.group(id);
        assert_eq!(contents(&group, pinned).await.as_ref(), Ok(&expected), "node {id}");
        let requested = pinned.next();
        let gone = Err(ReadError::Compacted { requested, horizon });
        assert_eq!(contents(&group, requested).await, gone, "node {id}");
    }

    let revoked = run(&cluster, Command::RevokeLease { lease }).await;
    assert!(matches!(revoked, Reply::LeaseRevoked { keys: 0, .. }), "{revoked:?}");
    let group = cluster.group(cluster.leader().await);
    let gone = Err(ReadError::Compacted { requested: pinned, horizon });
    assert_eq!(contents(&group, pinned).await, gone);
}

/// Nobody keeps the lease alive, so the leader lets the revision go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_ends_with_a_lease_that_nobody_keeps_alive() {
    let cluster = Cluster::new(1, options()).await;
    cluster.put("a", "old").await;
    let grant = Command::GrantLease { lease: LeaseId::new(7), ttl_ms: 1_000 };
    run(&cluster, grant).await;
    let lease = LeaseId::new(7);
    let pinned = run(&cluster, Command::PinRevision { lease, revision: None }).await;
    let Reply::RevisionPinned { revision } = pinned else { panic!("{pinned:?}") };
    let horizon = cluster.put("a", "new").await.revision;
    run(&cluster, Command::Compact { horizon }).await;
    let group = cluster.group(cluster.leader().await);
    let ended = runtime::timeout(PATIENCE, async {
        while contents(&group, revision).await.is_ok() {
            runtime::sleep(Duration::from_millis(20)).await;
        }
    });
    ended.await.expect("the pin ends in time");
}

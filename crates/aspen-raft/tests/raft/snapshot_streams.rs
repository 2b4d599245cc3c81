//! Snapshots from a leader to those that its log no longer reaches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aspen_core::{ClusterController, Consistency, GroupRole, NodeId, runtime};

use crate::cluster::*;
use crate::network::Verdict;
use crate::wire::*;

/// A cluster with a stopped follower that the log no longer reaches; the leader's snapshot takes
/// several chunks.
async fn one_lagging() -> (Cluster, u64, u64) {
    let mut cluster = Cluster::new(3, options()).await;
    cluster.put("first", "v").await;
    let lagging = cluster.follower().await;
    cluster.stop(lagging).await;
    write_incompressible(&cluster, 40).await;
    let leader = cluster.leader().await;
    shorten(&cluster, leader).await;
    (cluster, leader, lagging)
}

/// Some 100 KB each that no compression makes smaller.
async fn write_incompressible(cluster: &Cluster, count: u64) {
    for n in 0..count {
        let value: String = (0..6_250).map(|_| format!("{:016x}", runtime::random_u64())).collect();
        cluster.put(&format!("k{n}"), &value).await;
    }
}

async fn shorten(cluster: &Cluster, leader: u64) {
    let applied = cluster.group(leader).metrics().applied;
    cluster.host(leader).trigger_snapshot(GROUP).await.unwrap();
    cluster.wait(leader, |metrics| metrics.purged >= applied).await;
}

/// Waits until a node has what the cluster has, and compares.
async fn is_level(cluster: &Cluster, id: u64) {
    cluster.put("last", "v").await;
    let group = cluster.group(id);
    assert_eq!(get(&group, "last", Consistency::Linearizable).await.unwrap(), "v");
    assert!(cluster.network.delivered_to(SNAPSHOT_FINISH, NodeId::new(id)) > 0);
    cluster.level().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_in_the_middle_starts_again() {
    let (mut cluster, _, lagging) = one_lagging().await;
    cluster.network.set_quota(SNAPSHOT_CHUNK, 1);
    let chunks = cluster.network.delivered(SNAPSHOT_CHUNK);
    cluster.start(lagging).await;
    let cut = runtime::timeout(PATIENCE, async {
        while cluster.network.sent(SNAPSHOT_CHUNK) < chunks + 3 {
            cluster.put("meanwhile", "v").await;
        }
    });
    cut.await.expect("the leader tries again");
    assert_eq!(cluster.network.delivered(SNAPSHOT_FINISH), 0);
    cluster.network.stop_meddling();
    is_level(&cluster, lagging).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_damaged_on_its_way_is_sent_again() {
    let (mut cluster, _, lagging) = one_lagging().await;
    let damaged = Arc::new(AtomicBool::new(false));
    let once = damaged.clone();
    cluster.network.meddle(move |envelope| {
        if envelope.kind != SNAPSHOT_CHUNK || once.swap(true, Ordering::Relaxed) {
            return Verdict::Deliver;
        }
        let mut payload = envelope.payload.to_vec();
        let middle = payload.len() / 2;
        payload[middle] ^= 0x40;
        Verdict::Replace(payload.into())
    });
    cluster.start(lagging).await;
    is_level(&cluster, lagging).await;
    assert!(damaged.load(Ordering::Relaxed));
    assert!(cluster.network.delivered(SNAPSHOT_FINISH) > 1);
    assert_ne!(cluster.group(lagging).metrics().role, GroupRole::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_rots_on_the_leaders_disk_is_built_again() {
    let (mut cluster, leader, lagging) = one_lagging().await;
    let file = cluster.group(leader).state().latest_snapshot().await.unwrap().unwrap();
    let mut bytes = std::fs::read(&file.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file.path, bytes).unwrap();
    cluster.start(lagging).await;
    is_level(&cluster, lagging).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_while_a_snapshot_streams() {
    let (mut cluster, leader, lagging) = one_lagging().await;
    cluster.network.set_delay_of(SNAPSHOT_CHUNK, Duration::from_millis(100));
    cluster.start(lagging).await;
    let streaming = runtime::timeout(PATIENCE, async {
        let mut written = 0;
        while cluster.network.delivered(SNAPSHOT_FINISH) == 0 {
            write(&cluster.group(leader), put("meanwhile", &written.to_string())).await.unwrap();
            written += 1;
        }
        written
    });
    assert!(streaming.await.expect("the snapshot arrives") > 0);
    is_level(&cluster, lagging).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_moves_on_beyond_a_snapshot_that_streams() {
    let (mut cluster, leader, lagging) = one_lagging().await;
    cluster.network.set_delay_of(SNAPSHOT_CHUNK, Duration::from_millis(100));
    cluster.start(lagging).await;
    let begun = runtime::timeout(PATIENCE, async {
        while cluster.network.delivered(SNAPSHOT_CHUNK) == 0 {
            runtime::sleep(Duration::from_millis(1)).await;
        }
    });
    begun.await.expect("the snapshot is sent");
    // A newer snapshot, and a log that no longer reaches the end of the older one.
    write_incompressible(&cluster, 5).await;
    shorten(&cluster, leader).await;
    is_level(&cluster, lagging).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_is_brought_level_by_a_snapshot_in_chunks() {
    let mut cluster = Cluster::new(1, options()).await;
    write_incompressible(&cluster, 40).await;
    shorten(&cluster, 1).await;
    cluster.start(2).await;
    cluster.host(1).add_learner(GROUP, record(2)).await.unwrap();
    is_level(&cluster, 2).await;
    assert!(cluster.network.delivered(SNAPSHOT_CHUNK) > 1);
    assert_eq!(cluster.group(2).metrics().role, GroupRole::Learner);
    // What comes after the snapshot comes as entries.
    let finished = cluster.network.delivered(SNAPSHOT_FINISH);
    cluster.put("more", "v").await;
    cluster.level().await;
    assert_eq!(cluster.network.delivered(SNAPSHOT_FINISH), finished);
}

/// One follower that cannot be reached must not keep the log from being shortened, nor the others
/// from being served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_to_an_unreachable_node_blocks_nobody() {
    let (mut cluster, leader, lagging) = one_lagging().await;
    let lost = Arc::new(AtomicU64::new(0));
    let counted = lost.clone();
    cluster.network.meddle(move |envelope| {
        let is_bulk = envelope.kind >= SNAPSHOT_BEGIN;
        if is_bulk {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        if is_bulk { Verdict::Lose } else { Verdict::Deliver }
    });
    cluster.start(lagging).await;
    let tried = runtime::timeout(PATIENCE, async {
        while lost.load(Ordering::Relaxed) < 2 {
            write(&cluster.group(leader), put("meanwhile", "v")).await.unwrap();
        }
    });
    tried.await.expect("the leader tries again");
    shorten(&cluster, leader).await;
    cluster.network.stop_meddling();
    is_level(&cluster, lagging).await;
}

/// Each transfer has a name of its own, so that pieces of two never mix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transfer_has_its_own_name() {
    let (mut cluster, _, lagging) = one_lagging().await;
    let names = Arc::new(Mutex::new(Vec::new()));
    let noted = names.clone();
    cluster.network.meddle(move |envelope| {
        if envelope.kind == SNAPSHOT_BEGIN {
            let (name, ..): SnapshotBegin = decode(&envelope.payload);
            noted.lock().unwrap().push(name);
        }
        let first = noted.lock().unwrap().len() < 3;
        let fails = envelope.kind == SNAPSHOT_FINISH && first;
        if fails { Verdict::Lose } else { Verdict::Deliver }
    });
    cluster.start(lagging).await;
    is_level(&cluster, lagging).await;
    let mut names = names.lock().unwrap().clone();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert!(count >= 3 && names.len() == count, "{names:?}");
}

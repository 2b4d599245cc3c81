//! Of five nodes two followers are killed with -9 under load, and the leader as they are back.
//!
//! Invariant: no acknowledged write is lost and none is applied twice, whoever leads next.

use aspen_tests::ProcessCluster;

use crate::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_of_five_two_followers_then_the_leader_are_killed() {
    let mut cluster = ProcessCluster::start(5).await;
    let load = Load::start(&cluster, &["bank", "append_once", "watch", "leases"], 2).await;
    let leader = cluster.wait_leader(|_| true).await;
    let followers: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != leader).collect();
    load.more_writes(100, &cluster).await;
    followers[..2].iter().for_each(|id| cluster.kill(*id));
    load.more_writes(200, &cluster).await;
    followers[..2].iter().for_each(|id| cluster.restart(*id));
    cluster.kill(leader);
    // Only the two that lack the last writes and the two that have them are there to elect.
    load.more_writes(200, &cluster).await;
    cluster.restart(leader);
    cluster.wait_settled().await;
    load.finish(&cluster).await;
}

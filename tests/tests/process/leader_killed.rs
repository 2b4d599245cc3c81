//! The leader is killed with -9 while clients run transactions, hold locks and read pinned
//! revisions, and history is compacted after seconds.
//!
//! Invariants: transfers keep the sum, happen at most once, and none that was acknowledged is lost;
//! fencing tokens only grow, and no older one is accepted after a newer one; a pinned revision
//! reads the same for as long as it is held.

use aspen_tests::ProcessCluster;

use crate::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_transactions_locks_and_pins_survive_their_leader() {
    let arguments = |_| ["--history-ms", "1000"].map(str::to_owned).to_vec();
    let mut cluster = ProcessCluster::start_with(3, arguments).await;
    let load = Load::start(&cluster, &["transactions", "locks", "pins"], 6).await;
    load.more_writes(200, &cluster).await;
    let leader = cluster.wait_leader(|_| true).await;
    cluster.kill(leader);
    cluster.wait_leader(|id| id != leader).await;
    load.more_writes(200, &cluster).await;
    cluster.restart(leader);
    cluster.wait_settled().await;
    load.more_writes(100, &cluster).await;
    load.finish(&cluster).await;
}

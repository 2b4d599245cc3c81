//! All nodes stop at once under load, in order or by kill -9, and start again.
//!
//! Invariants: every acknowledged write is there, none was applied twice, and nobody has to help.

use aspen_tests::ProcessCluster;

use crate::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_all_nodes_stop_in_order_and_return() {
    // Writes that were begun cannot end once the other nodes have stopped: a node waits in vain.
    let arguments = |_| ["--drain-ms", "3000"].map(str::to_owned).to_vec();
    let mut cluster = ProcessCluster::start_with(3, arguments).await;
    let load = Load::start(&cluster, &["bank", "append_once", "counter"], 3).await;
    load.more_writes(200, &cluster).await;
    cluster.terminate_all().await;
    cluster.restart_all();
    load.more_writes(200, &cluster).await;
    cluster.wait_settled().await;
    load.finish(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_all_nodes_are_killed_and_return() {
    let mut cluster = ProcessCluster::start(3).await;
    let load = Load::start(&cluster, &["bank", "append_once", "watch", "leases"], 4).await;
    for _ in 0..3 {
        load.more_writes(200, &cluster).await;
        cluster.kill_all();
        cluster.restart_all();
    }
    load.more_writes(200, &cluster).await;
    cluster.wait_settled().await;
    load.finish(&cluster).await;
}

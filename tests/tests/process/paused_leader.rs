//! A leader is frozen for longer than an election and then goes on as if nothing had happened.
//!
//! Invariants: another node leads meanwhile and what was acknowledged stays; the old leader answers
//! no read, linearizable or by its lease, with what was true before; it continues as a follower.

use aspen_tests::ProcessCluster;

use crate::load::Load;
use crate::probe::Probe;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_a_paused_leader_goes_on_as_a_follower() {
    let mut cluster = ProcessCluster::start(3).await;
    let old = cluster.wait_leader(|_| true).await;
    let load = Load::start(&cluster, &["append_once", "register"], 1).await;
    let probe = Probe::start(&cluster, old).await;
    probe.fresh_read(&cluster).await;

    cluster.pause(old);
    let new = cluster.wait_leader(|id| id != old).await;
    probe.more_writes(&cluster).await;
    cluster.resume(old);
    // Whatever it thinks of itself at first, it gives no old answer.
    probe.more_reads(&cluster).await;
    load.more_writes(100, &cluster).await;

    cluster.wait_settled().await;
    assert_ne!(old, new);
    probe.finish().await;
    load.finish(&cluster).await;
}

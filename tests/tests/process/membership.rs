//! Nodes come and go at random while leaders are killed.
//!
//! Invariants: nothing acknowledged is lost and nothing is applied twice, through every membership;
//! a new node gets what the logs no longer hold from a snapshot; once faults stop, every member is
//! a voter that has everything.

use aspen_tests::ProcessCluster;
use aspen_tests::workload::SeededRandom;

use crate::load::Load;
use crate::operator::snapshot;

/// How often the membership changes.
const CHANGES: u64 = 4;

/// The fewest voters that survive the loss of one.
const NODES_MIN: usize = 3;

/// More would make the machine the bottleneck.
const NODES_MAX: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_nodes_come_and_go_while_leaders_are_killed() {
    let random = SeededRandom::new(5);
    // So little log is kept that a new node cannot live on it.
    let arguments = |_| ["--log-bytes-kept", "20000"].map(str::to_owned).to_vec();
    let mut cluster = ProcessCluster::start_with(NODES_MIN as u64, arguments).await;
    let load = Load::start(&cluster, &["bank", "append_once"], 5).await;
    let mut newest = NODES_MIN as u64;
    for _ in 0..CHANGES {
        load.more_writes(100, &cluster).await;
        snapshot(&cluster).await;
        let leader = cluster.wait_leader(|_| true).await;
        let grows = cluster.ids().len() <= NODES_MIN
            || (cluster.ids().len() < NODES_MAX && random.one_in(2));
        if grows {
            newest += 1;
            cluster.add(newest);
            cluster.kill(leader);
        } else {
            let ids = cluster.ids();
            let leaves = *random.pick(&ids).unwrap();
            let killed = if leaves == leader { None } else { Some(leader) };
            killed.into_iter().for_each(|id| cluster.kill(id));
            cluster.remove(leaves).await;
            killed.into_iter().for_each(|id| cluster.restart(id));
            continue;
        }
        load.more_writes(50, &cluster).await;
        cluster.restart(leader);
        cluster.wait_settled().await;
    }
    cluster.wait_settled().await;
    load.finish(&cluster).await;
}

//! A change of voters whose leader stops half-way.

use std::collections::BTreeSet;

use aspen_core::{ClusterController, NodeId, runtime};

use crate::cluster::*;

async fn wait_changing(cluster: &Cluster, id: u64) {
    let group = cluster.group(id);
    let changing = runtime::timeout(PATIENCE, async {
        while !group.is_changing_voters() {
            runtime::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    changing.await.expect("the first step of the change arrives");
}

/// The first step of a change, to the joint membership, was in the followers' logs when the leader
/// stopped; who had asked for the change was gone with it, and nobody sent the second step. The
/// group kept needing majorities of the old voters *and* the new ones for ever, so that the next
/// loss of an old voter, which the change was to replace, stopped it (found in simulation by seed
/// 20164). Now the next leader goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_leader_finishes_a_change_of_voters() {
    let mut cluster = Cluster::with_learners(3, 2, options()).await;
    let leader = cluster.leader().await;
    let stay: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    for newcomer in [4, 5] {
        cluster.network.cut_one_way(NodeId::new(leader), NodeId::new(newcomer));
    }
    let voters = [leader, 4, 5];
    let wished: BTreeSet<NodeId> = voters.map(NodeId::new).into();
    let host = cluster.host(leader).clone();
    // Never answered: without the newcomers the first step has no majority.
    let change = runtime::spawn(async move { host.change_membership(GROUP, wished).await });
    for id in &stay {
        wait_changing(&cluster, *id).await;
    }
    cluster.stop(leader).await;
    assert!(!matches!(change.await, Ok(Ok(()))), "the change was made");
    cluster.network.heal();

    cluster.wait_voters(4, &voters).await;
    let group = cluster.group(4);
    let finished = runtime::timeout(PATIENCE, async {
        while group.is_changing_voters() {
            runtime::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    finished.await.expect("the change is finished");
    // The old voters are not needed any more.
    for id in stay {
        cluster.stop(id).await;
    }
    cluster.put("after", "v").await;
}

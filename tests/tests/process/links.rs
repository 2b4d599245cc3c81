//! Links between nodes are cut while every node still serves clients.
//!
//! Invariants: at any time at most one side serves; a leader that is cut off gives no stale answer;
//! nothing acknowledged is lost and nothing is applied twice; whole again, the cluster settles.

use std::time::Duration;

use aspen_tests::ProcessCluster;
use aspen_tests::workload::SeededRandom;

use crate::isolation::{Links, isolated};
use crate::load::Load;
use crate::operator::transfer;
use crate::probe::Probe;

#[test]
fn process_a_leader_cut_off_from_the_others_gives_way() {
    isolated("links::process_a_leader_cut_off_from_the_others_gives_way", async {
        let links = Links::new(3);
        let cluster = ProcessCluster::start_with(3, Links::arguments).await;
        let old = cluster.wait_leader(|_| true).await;
        let load = Load::start(&cluster, &["append_once", "register"], 6).await;
        let probe = Probe::start(&cluster, old).await;
        probe.fresh_read(&cluster).await;

        links.cut_off(&[old]);
        cluster.wait_leader(|id| id != old).await;
        probe.more_writes(&cluster).await;
        // The old leader is reached by clients all along, and may only refuse.
        probe.more_reads(&cluster).await;
        links.rejoin(&[old]);
        probe.fresh_read(&cluster).await;

        cluster.wait_settled().await;
        probe.finish().await;
        load.finish(&cluster).await;
    });
}

#[test]
fn process_of_five_the_larger_side_serves() {
    isolated("links::process_of_five_the_larger_side_serves", async {
        let links = Links::new(5);
        let cluster = ProcessCluster::start_with(5, Links::arguments).await;
        let load = Load::start(&cluster, &["bank", "append_once"], 7).await;
        for leader_stays in [false, true] {
            let leader = cluster.wait_leader(|_| true).await;
            let mut others = cluster.ids();
            others.retain(|id| *id != leader);
            let smaller = if leader_stays { [others[0], others[1]] } else { [leader, others[0]] };
            links.cut_off(&smaller);
            cluster.wait_leader(|id| !smaller.contains(&id)).await;
            load.more_writes(150, &cluster).await;
            links.rejoin(&smaller);
            cluster.wait_settled().await;
        }
        load.finish(&cluster).await;
    });
}

#[test]
fn process_links_that_lose_messages_while_leaders_change() {
    isolated("links::process_links_that_lose_messages_while_leaders_change", async {
        let links = Links::new(3);
        let mut cluster = ProcessCluster::start_with(3, Links::arguments).await;
        let load = Load::start(&cluster, &["bank", "append_once"], 8).await;
        let random = SeededRandom::new(8);
        for round in 0..4 {
            for _ in 0..15 {
                lose(&links, &random).await;
                delay(&mut cluster, &random).await;
            }
            transfer(&cluster, 1 + round % 3).await;
            load.more_writes(30, &cluster).await;
        }
        cluster.wait_settled().await;
        load.finish(&cluster).await;
    });
}

/// Cuts one direction of one link for a moment: what was sent in it is lost.
async fn lose(links: &Links, random: &SeededRandom) {
    let from = 1 + random.below(3);
    let to = 1 + (from + random.below(2)) % 3;
    links.cut(from, to);
    tokio::time::sleep(Duration::from_millis(random.below(150))).await;
    links.heal(from, to);
}

/// Freezes a node for a moment: what it sends and hears meanwhile is late.
async fn delay(cluster: &mut ProcessCluster, random: &SeededRandom) {
    let id = 1 + random.below(3);
    cluster.pause(id);
    tokio::time::sleep(Duration::from_millis(20 + random.below(150))).await;
    cluster.resume(id);
}

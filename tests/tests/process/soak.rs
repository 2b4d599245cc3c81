//! Everything at once for as long as `ASPEN_SOAK_SECONDS` says.

use std::time::{Duration, Instant};

use aspen_tests::ProcessCluster;
use aspen_tests::workload::SeededRandom;

use crate::load::Load;
use crate::operator::{snapshot, transfer};

/// How many nodes there are at the start; faults never hit more than two of five at once, unless
/// they hit all.
const NODES: u64 = 5;

/// How many writes must succeed while a fault lasts, and after it.
const WRITES_BETWEEN: u64 = 100;

/// `ASPEN_SOAK_SEED` repeats the choices of an earlier soak.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes ASPEN_SOAK_SECONDS; run with --run-ignored only"]
async fn process_soak() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let lasts = Duration::from_secs(number("ASPEN_SOAK_SECONDS").unwrap_or(60));
    let seed = number("ASPEN_SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("ASPEN_SOAK_SEED={seed}");
    let random = SeededRandom::new(seed);
    let mut cluster = ProcessCluster::start(NODES).await;
    let end = Instant::now() + lasts;
    let mut newest = NODES;
    while Instant::now() < end {
        // A new load each time, so that its verdict comes close to the faults that it judges.
        let load = Load::start(&cluster, &["mixed"], random.next_u64()).await;
        for _ in 0..5 {
            load.more_writes(WRITES_BETWEEN, &cluster).await;
            strike(&mut cluster, &load, &random, &mut newest).await;
            cluster.wait_settled().await;
        }
        load.finish(&cluster).await;
    }
}

/// One fault, from its beginning to its end.
async fn strike(
    cluster: &mut ProcessCluster,
    load: &Load,
    random: &SeededRandom,
    newest: &mut u64,
) {
    let ids = cluster.ids();
    let leader = cluster.wait_leader(|_| true).await;
    let one = *random.pick(&ids).unwrap();
    let two = *random.pick(&ids).unwrap();
    match random.below(8) {
        0 => {
            cluster.kill(leader);
            load.more_writes(WRITES_BETWEEN, cluster).await;
            cluster.restart(leader);
        }
        1 => {
            cluster.pause(leader);
            load.more_writes(WRITES_BETWEEN, cluster).await;
            cluster.resume(leader);
        }
        2 => {
            [one, two].into_iter().for_each(|id| cluster.kill(id));
            load.more_writes(WRITES_BETWEEN, cluster).await;
            cluster.restart(one);
            if two != one {
                cluster.restart(two);
            }
        }
        3 => stutter(cluster, random, &ids).await,
        4 => {
            cluster.terminate(one).await;
            load.more_writes(WRITES_BETWEEN, cluster).await;
            cluster.restart(one);
        }
        5 => {
            cluster.kill_all();
            cluster.restart_all();
        }
        6 => {
            *newest += 1;
            cluster.add(*newest);
            cluster.wait_settled().await;
            cluster.remove(one).await;
        }
        _ => {
            snapshot(cluster).await;
            transfer(cluster, one).await;
        }
    }
}

/// Freezes nodes for moments, so that what they send and hear is late.
async fn stutter(cluster: &mut ProcessCluster, random: &SeededRandom, ids: &[u64]) {
    for _ in 0..50 {
        let id = *random.pick(ids).unwrap();
        cluster.pause(id);
        tokio::time::sleep(Duration::from_millis(20 + random.below(200))).await;
        cluster.resume(id);
    }
}

//! Crash images: whatever was acknowledged is there after the power fails, a sync fails or the disk
//! fills up, at any moment. What was under way may be there, whole, or not.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fault_disk::Fault;
use super::model::Mix;
use super::workload::{Workload, failures};
use super::*;

const ROUNDS: usize = 25;

fn draw(kind: fn(u64) -> Fault, rng: &mut StdRng) -> Fault {
    let operations = match kind(0) {
        Fault::SyncFails(_) => 1..60,
        _ => 1..600,
    };
    kind(rng.random_range(operations))
}

/// Three crashes of one disk.
async fn crash_thrice(seed: u64, mix: Mix, kind: fn(u64) -> Fault) -> usize {
    let mut workload = Workload::new(StdRng::seed_from_u64(seed), mix);
    let (mut image, mut faults) = (Vec::new(), 0);
    for _ in 0..3 {
        let disk = FaultDisk::new(image, draw(kind, &mut workload.rng));
        let under_way = workload.run_on(&disk, ROUNDS).await;
        faults += failures(&under_way);
        image = disk.crash_image(&mut workload.rng);
        image = workload.check(image, under_way, &format!("seed {seed}")).await;
    }
    faults
}

async fn crash_many(seeds: std::ops::Range<u64>, mix: Mix, kind: fn(u64) -> Fault) {
    let mut faults = 0;
    for seed in seeds {
        faults += crash_thrice(seed, mix, kind).await;
    }
    assert!(faults > 10, "only {faults} calls failed: the faults come too late");
}

#[tokio::test]
async fn a_power_cut_loses_nothing_acknowledged() {
    crash_many(0..18, Mix::Even, Fault::PowerCut).await;
}

#[tokio::test]
async fn slow_a_power_cut_loses_nothing_acknowledged() {
    crash_many(0..80, Mix::Even, Fault::PowerCut).await;
}

#[tokio::test]
async fn a_power_cut_while_purging_loses_nothing_acknowledged() {
    crash_many(4_000..4_018, Mix::Purging, Fault::PowerCut).await;
}

#[tokio::test]
async fn slow_a_power_cut_while_purging_loses_nothing_acknowledged() {
    crash_many(4_000..4_080, Mix::Purging, Fault::PowerCut).await;
}

#[tokio::test]
async fn a_failed_sync_loses_nothing_acknowledged() {
    crash_many(1_000..1_016, Mix::Even, Fault::SyncFails).await;
}

#[tokio::test]
async fn slow_a_failed_sync_loses_nothing_acknowledged() {
    crash_many(1_000..1_050, Mix::Even, Fault::SyncFails).await;
    crash_many(5_000..5_050, Mix::Purging, Fault::SyncFails).await;
}

#[tokio::test]
async fn a_full_disk_loses_nothing_acknowledged() {
    crash_many(2_000..2_016, Mix::Even, Fault::NoSpace).await;
}

#[tokio::test]
async fn slow_a_full_disk_loses_nothing_acknowledged() {
    crash_many(2_000..2_050, Mix::Even, Fault::NoSpace).await;
    crash_many(6_000..6_050, Mix::Purging, Fault::NoSpace).await;
}

//! Input and output errors at every operation of a run: the call that meets one fails, the writer
//! stops, and what was acknowledged is there after the process starts again, on the disk as it
//! stands and on what a power cut leaves of it.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::fault_disk::Fault;
use super::model::Mix;
use super::workload::{Workload, failures, small};
use super::*;

/// A run whose every operation gets its turn.
#[derive(Clone)]
struct Run {
    mix: Mix,
    rounds: usize,
    options: LogOptions,
    /// The disk that it begins with, which the workload's first rounds have filled.
    filled_by: usize,
}

impl Run {
    fn new(mix: Mix, rounds: usize) -> Self {
        Self { mix, rounds, options: small(), filled_by: 0 }
    }

    /// A run that must read the disk: nothing fits the cache.
    fn reading(rounds: usize) -> Self {
        let options = LogOptions { cache_bytes: 0, ..small() };
        Self { options, filled_by: 8, ..Self::new(Mix::Even, rounds) }
    }

    async fn begin(&self) -> (Workload, Vec<u8>) {
        let mut workload = Workload::new(StdRng::seed_from_u64(3), self.mix);
        workload.options = self.options.clone();
        if self.filled_by == 0 {
            return (workload, Vec::new());
        }
        let disk = FaultDisk::empty();
        let under_way = workload.run_on(&disk, self.filled_by).await;
        let image = workload.check(disk.current(), under_way, "filling").await;
        (workload, image)
    }

    /// How many operations and reads the run takes without a fault.
    async fn count(&self) -> (u64, u64) {
        let (mut workload, image) = self.begin().await;
        let disk = FaultDisk::new(image, Fault::None);
        assert_eq!(failures(&workload.run_on(&disk, self.rounds).await), 0);
        (disk.operations(), disk.reads())
    }

    /// Runs once with a fault and checks both images that it may leave. Answers how many calls,
    /// reads and openings failed.
    async fn fail_once(&self, fault: Fault) -> usize {
        let mut failed = 0;
        for power_cut in [false, true] {
            let (mut workload, image) = self.begin().await;
            let disk = FaultDisk::new(image, fault);
            let under_way = workload.run_on(&disk, self.rounds).await;
            failed += failures(&under_way) + workload.harmless_failures;
            let image = match power_cut {
                true => disk.crash_image(&mut workload.rng),
                false => disk.current(),
            };
            let label = format!("{fault:?}, power cut: {power_cut}");
            let image = workload.check(image, under_way, &label).await;
            // The disk is as good as new.
            let disk = FaultDisk::new(image, Fault::None);
            assert_eq!(failures(&workload.run_on(&disk, 2).await), 0, "{label}");
        }
        failed
    }

    async fn fail_at(&self, places: impl Iterator<Item = u64>, kind: fn(u64) -> Fault) {
        let (mut tried, mut failed) = (0, 0);
        for at in places {
            failed += self.fail_once(kind(at)).await;
            tried += 1;
        }
        // A fault after the last answer is nobody's failure.
        assert!(tried > 3 && failed >= tried, "{failed} failures at {tried} places");
    }

    async fn fail_at_operations(&self, step: usize, kind: fn(u64) -> Fault) {
        let (operations, _) = self.count().await;
        self.fail_at((1..operations).step_by(step), kind).await;
    }

    async fn fail_at_reads(&self, step: usize, kind: fn(u64) -> Fault) {
        let (_, reads) = self.count().await;
        self.fail_at((1..=reads).step_by(step), kind).await;
    }
}

#[tokio::test]
async fn an_error_of_an_operation_loses_nothing() {
    Run::new(Mix::Even, 3).fail_at_operations(3, Fault::OperationFails).await;
}

#[tokio::test]
async fn slow_an_error_of_any_operation_loses_nothing() {
    Run::new(Mix::Even, 10).fail_at_operations(1, Fault::OperationFails).await;
    Run::new(Mix::Purging, 10).fail_at_operations(1, Fault::OperationFails).await;
}

#[tokio::test]
async fn no_space_at_an_operation_loses_nothing() {
    Run::new(Mix::Even, 3).fail_at_operations(3, Fault::NoSpace).await;
}

#[tokio::test]
async fn a_moment_without_space_loses_nothing() {
    Run::new(Mix::Purging, 3).fail_at_operations(3, Fault::NoSpaceOnce).await;
}

#[tokio::test]
async fn slow_no_space_at_any_operation_loses_nothing() {
    for kind in [Fault::NoSpace, Fault::NoSpaceOnce] {
        Run::new(Mix::Even, 8).fail_at_operations(1, kind).await;
        Run::new(Mix::Purging, 8).fail_at_operations(1, kind).await;
    }
}

#[tokio::test]
async fn an_error_of_a_read_loses_nothing() {
    Run::reading(4).fail_at_reads(29, Fault::ReadFails).await;
}

#[tokio::test]
async fn reads_that_fail_for_good_lose_nothing() {
    Run::reading(4).fail_at_reads(29, Fault::ReadsFail).await;
}

#[tokio::test]
async fn slow_an_error_of_any_read_loses_nothing() {
    Run::reading(6).fail_at_reads(7, Fault::ReadFails).await;
    Run::reading(6).fail_at_reads(7, Fault::ReadsFail).await;
}

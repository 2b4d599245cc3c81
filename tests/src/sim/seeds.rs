//! Many seeds, on several threads, until one fails or the time is over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use super::run::{Plan, Report, run};
use crate::check::Violation;
use crate::workload;

/// Which seeds to run, and how.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The first.
    pub first: u64,
    /// How many; without end when `None`.
    pub count: Option<u64>,
    /// No seed is begun after this time.
    pub time: Option<Duration>,
    /// A workload's name, or `all`: each seed another one.
    pub workload: String,
    /// How many at once.
    pub jobs: usize,
    /// The bug to plant.
    pub plant: Option<String>,
    /// Run each seed twice and compare.
    pub twice: bool,
    /// Go on after a failure.
    pub keep_going: bool,
}

/// A seed that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was run.
    pub plan: Plan,
    /// What came of it.
    pub report: Report,
}

/// What came of a batch.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Wall-clock time in milliseconds.
    pub wall_ms: u64,
    /// Simulated time in milliseconds.
    pub simulated_ms: u64,
    /// Operations of clients on single keys that were recorded.
    pub operations: u64,
    /// Faults that struck, by name.
    pub faults: BTreeMap<String, u64>,
    /// The seeds that failed, by the promise that was broken.
    pub broken: BTreeMap<String, Vec<u64>>,
    /// The failed seed with the lowest number, and why.
    #[serde(skip)]
    pub failure: Option<Failure>,
}

impl Batch {
    /// The plan of one of the seeds.
    pub fn plan(&self, seed: u64) -> Plan {
        Plan::draw(seed, &workload_of(&self.workload, seed), self.plant.clone())
    }

    /// Runs the seeds; unless it is to keep going, stops at the first that fails. `progress` is
    /// called after each.
    pub fn run(&self, progress: impl Fn(&Summary) + Sync) -> Summary {
        let (begun, next) = (Instant::now(), AtomicU64::new(self.first));
        let (summary, failed) = (Mutex::new(Summary::default()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    while let Some(seed) = self.next_seed(&next, begun, &failed) {
                        let failure = self.run_seed(seed, &summary);
                        let ends = failure.is_some() && !self.keep_going;
                        failed.fetch_or(ends, Ordering::SeqCst);
                        let mut summary = summary.lock();
                        summary.wall_ms = begun.elapsed().as_millis() as u64;
                        summary.keep_first(failure);
                        progress(&summary);
                    }
                });
            }
        });
        summary.into_inner()
    }

    fn next_seed(&self, next: &AtomicU64, begun: Instant, failed: &AtomicBool) -> Option<u64> {
        let late = self.time.is_some_and(|time| begun.elapsed() >= time);
        if late || failed.load(Ordering::SeqCst) {
            return None;
        }
        let seed = next.fetch_add(1, Ordering::SeqCst);
        self.count.is_none_or(|count| seed - self.first < count).then_some(seed)
    }

    fn run_seed(&self, seed: u64, summary: &Mutex<Summary>) -> Option<Failure> {
        let plan = self.plan(seed);
        let mut report = run(plan.clone(), false);
        if self.twice {
            let again = run(plan.clone(), false);
            if again.digest != report.digest {
                let detail = format!("digests {:?} and {:?}", report.digest, again.digest);
                report.verdict = Err(Violation::new("a seed runs the same every time", detail));
            }
        }
        summary.lock().add(&plan, &report);
        report.verdict.is_err().then_some(Failure { plan, report })
    }
}

impl Summary {
    /// Seeds a second of wall-clock time.
    pub fn seeds_per_second(&self) -> f64 {
        self.seeds as f64 * 1_000.0 / self.wall_ms.max(1) as f64
    }

    fn add(&mut self, plan: &Plan, report: &Report) {
        self.seeds += 1;
        self.simulated_ms += report.simulated_ms;
        self.operations += report.history.operations.len() as u64;
        for name in plan.faults() {
            *self.faults.entry(name).or_default() += 1;
        }
        if let Err(violation) = &report.verdict {
            self.broken.entry(violation.invariant.clone()).or_default().push(plan.seed());
        }
    }

    fn keep_first(&mut self, failure: Option<Failure>) {
        let seed = |failure: &Failure| failure.plan.seed();
        let earlier = match (&self.failure, &failure) {
            (Some(known), Some(new)) => seed(new) < seed(known),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if earlier {
            self.failure = failure;
        }
    }
}

/// The workload of a seed.
fn workload_of(wanted: &str, seed: u64) -> String {
    if wanted != "all" {
        return wanted.to_owned();
    }
    let names: Vec<&str> = workload::all().iter().map(|workload| workload.name()).collect();
    names[(seed % names.len() as u64) as usize].to_owned()
}

//! Running clients and counting what they did.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use hdrhistogram::Histogram;

use super::Target;
use super::operation::{self, Outcome};
use super::random::Random;
use super::watched::Watched;
use crate::args::bench::{BenchArgs, Workload};
use crate::exit::CliError;

/// Longer latencies count as this one, in microseconds.
const LATENCY_US_MAX: u64 = 600 * 1_000_000;

/// How long a client that fails waits before it tries again, so that errors do not crowd out work.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// What was measured.
pub(super) struct Measured {
    /// Of operations that succeeded, in microseconds.
    pub(super) latencies: Histogram<u64>,
    /// Operations that succeeded.
    pub(super) operations: u64,
    /// Operations that failed.
    pub(super) errors: u64,
    /// Of the successful ones, those that lost a race.
    pub(super) conflicts: u64,
    /// Changes that watches beside were told of, each by itself.
    pub(super) events: u64,
    /// For how long.
    pub(super) elapsed: Duration,
    /// What the first error said.
    pub(super) first_error: Option<String>,
}

impl Measured {
    pub(super) fn new() -> Self {
        let latencies = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
            .expect("1 to LATENCY_US_MAX at 3 digits are bounds that the histogram takes");
        Self {
            latencies,
            operations: 0,
            errors: 0,
            conflicts: 0,
            events: 0,
            elapsed: Duration::ZERO,
            first_error: None,
        }
    }

    /// Counts operations that took so long together.
    pub(super) fn record(&mut self, micros: u64, operations: u64) {
        self.latencies.saturating_record(micros.max(1));
        self.operations += operations;
    }

    fn fail(&mut self, error: &CliError) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }

    fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so adding cannot fail.
        let _ = self.latencies.add(&other.latencies);
        self.operations += other.operations;
        self.errors += other.errors;
        self.conflicts += other.conflicts;
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
    }

    pub(super) fn operations_per_second(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Microseconds since an instant.
pub(super) fn micros_since(started: Instant) -> u64 {
    let elapsed = runtime::now().duration_since(started);
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

/// Runs the clients for a warm-up and then for the time that counts.
pub(super) async fn run(
    stores: &[Arc<dyn Target>],
    args: &BenchArgs,
    warm_up: Duration,
) -> Result<Measured, CliError> {
    let from = runtime::now() + warm_up;
    let window = Window { from, until: from + Duration::from_secs(args.seconds) };
    let tasks: Vec<_> = (0..args.clients as usize)
        .map(|client| {
            let store = stores[client % stores.len()].clone();
            runtime::spawn(run_client(store, client, args.clone(), window))
        })
        .collect();
    let mut total = Measured::new();
    for task in tasks {
        let measured = task.await.map_err(|error| CliError::Failed(error.to_string()))?;
        total.merge(&measured);
    }
    total.elapsed = Duration::from_secs(args.seconds);
    Ok(total)
}

/// Operations that end inside it count.
#[derive(Clone, Copy)]
struct Window {
    from: Instant,
    until: Instant,
}

async fn run_client(
    store: Arc<dyn Target>,
    client: usize,
    args: BenchArgs,
    window: Window,
) -> Measured {
    let (mut random, mut measured) = (Random::new(), Measured::new());
    let mut watched = Watched::new(client);
    loop {
        let started = runtime::now();
        if started >= window.until {
            return measured;
        }
        let result = match args.workload {
            Workload::Watch => watched.run(&*store, &args, &mut random).await,
            _ => operation::run(&store, &args, &mut random).await,
        };
        let ended = runtime::now();
        let counts = ended >= window.from && ended <= window.until;
        match result {
            Ok(outcome) if counts => {
                let micros = ended.duration_since(started).as_micros();
                measured.record(u64::try_from(micros).unwrap_or(u64::MAX), 1);
                measured.conflicts += u64::from(outcome == Outcome::Conflict);
            }
            Ok(_) => {}
            Err(error) => {
                // An operation that fails after the end began inside it and was not served.
                if ended >= window.from {
                    measured.fail(&error);
                }
                runtime::sleep(ERROR_PAUSE).await;
            }
        }
    }
}

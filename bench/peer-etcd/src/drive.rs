//! The closed loops and what they measure.

use crate::keys::{Keys, Random};
use crate::watched::Watched;
use crate::workload::Workload;
use etcd_client::{Client, KvClient};
use hdrhistogram::{CreationError, Histogram};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Time before the measurement, in which connections and caches warm up.
const WARM_UP: Duration = Duration::from_secs(1);
/// Digits of each latency that are exact.
const DIGITS: u8 = 3;

/// What all clients measured together.
pub struct Measured {
    /// Latencies of the operations that succeeded, in microseconds.
    pub latencies_us: Histogram<u64>,
    /// Operations that failed.
    pub errors: u64,
    /// How long was measured.
    pub took: Duration,
}

/// Runs one loop per client for `measure` after a warm-up.
pub async fn drive(
    clients: &[Client],
    workload: Workload,
    keys: &Keys,
    measure: Duration,
) -> Result<Measured, CreationError> {
    let begin = Instant::now() + WARM_UP;
    let window = Window { begin, end: begin + measure };
    let mut loops = JoinSet::new();
    for (index, client) in clients.iter().enumerate() {
        let random = Random::new(index as u64 + 1);
        let watched = Watched::new(client.watch_client(), index);
        loops.spawn(closed_loop(
            client.kv_client(),
            watched,
            workload,
            keys.clone(),
            random,
            window,
        ));
    }
    let mut all = Measured { latencies_us: Histogram::new(DIGITS)?, errors: 0, took: measure };
    while let Some(one) = loops.join_next().await {
        let one = one.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        // Both histograms grow on their own, so adding cannot fail.
        let _ = all.latencies_us.add(&one.latencies_us);
        all.errors += one.errors;
    }
    Ok(all)
}

/// The half-open time in which finished operations count.
#[derive(Clone, Copy)]
struct Window {
    begin: Instant,
    end: Instant,
}

async fn closed_loop(
    mut client: KvClient,
    mut watched: Watched,
    workload: Workload,
    keys: Keys,
    mut random: Random,
    window: Window,
) -> Result<Measured, CreationError> {
    let took = window.end - window.begin;
    let mut measured = Measured { latencies_us: Histogram::new(DIGITS)?, errors: 0, took };
    loop {
        let start = Instant::now();
        if start >= window.end {
            return Ok(measured);
        }
        let result = match workload {
            Workload::Watch => watched.run(&mut client, &keys).await,
            _ => workload.run(&mut client, &keys, &mut random).await,
        };
        let now = Instant::now();
        if now < window.begin || now >= window.end {
            continue;
        }
        match result {
            Ok(()) => {
                let us = u64::try_from((now - start).as_micros()).unwrap_or(u64::MAX);
                // The histogram grows to hold any latency, so recording cannot fail.
                let _ = measured.latencies_us.record(us);
            }
            Err(_) => measured.errors += 1,
        }
    }
}

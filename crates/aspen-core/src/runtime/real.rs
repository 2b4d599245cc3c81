//! The seam's answers in production: tokio, the standard library and the operating system.

use std::future::Future;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::Rng;
use tokio::sync::mpsc;

use super::{Elapsed, Instant};

pub(super) use tokio::task::{spawn, spawn_blocking};
pub(super) use tokio::time::{sleep, sleep_until};

pub(super) async fn timeout<F: Future>(
    duration: Duration,
    future: F,
) -> Result<F::Output, Elapsed> {
    tokio::time::timeout(duration, future).await.map_err(|_| Elapsed)
}

pub(super) fn now() -> Instant {
    Instant::now()
}

pub(super) fn unix_time_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

pub(super) fn fill_random(bytes: &mut [u8]) {
    rand::rng().fill_bytes(bytes);
}

pub(super) fn run_worker<T, F>(
    name: &str,
    batch_max: usize,
    mut receiver: mpsc::Receiver<T>,
    mut step: F,
) -> io::Result<()>
where
    T: Send + 'static,
    F: FnMut(&mut Vec<T>) + Send + 'static,
{
    let work = move || {
        let mut batch = Vec::new();
        while receiver.blocking_recv_many(&mut batch, batch_max) > 0 {
            step(&mut batch);
            batch.clear();
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// How much lower the priority of background work is, in steps of nice(2); ten of them are a tenth
/// of the weight. More keeps it further out of the way of requests; less lets it keep up better on
/// cores that are never idle.
#[cfg(target_os = "linux")]
const BACKGROUND_NICE: i32 = 10;

/// Lets other threads go before the calling one. A refusal changes nothing that anyone relies on.
pub(super) fn lower_priority() {
    // Linux has priorities by thread, and takes no process to be the calling thread.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        let lowered = getpriority_process(None)
            .and_then(|nice| setpriority_process(None, nice + BACKGROUND_NICE));
        if let Err(error) = lowered {
            tracing::debug!(%error, "background work keeps its priority");
        }
    }
}

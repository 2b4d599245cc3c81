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

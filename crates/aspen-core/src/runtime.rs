//! The runtime seam: the only door to clocks, tasks, threads and randomness.
//!
//! Product code asks here instead of asking tokio, the standard library or the operating system, so
//! that with `--cfg madsim` a simulator answers and one seed gives one trace. The lints in
//! `clippy.toml` ban the ambient forms everywhere else.
#![allow(clippy::disallowed_methods, reason = "this file is what the ban points to")]

use std::future::Future;
use std::io;
use std::time::Duration;

pub use tokio::time::Instant;

/// A running task; dropping the handle detaches it.
pub type JoinHandle<T> = tokio::task::JoinHandle<T>;

/// The deadline passed before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadline has passed")]
pub struct Elapsed;

/// Runs a future as a task.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::task::spawn(future)
}

/// Waits.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits until an instant.
pub async fn sleep_until(deadline: Instant) {
    tokio::time::sleep_until(deadline).await;
}

/// Runs a future for at most `duration`; on [`Elapsed`] the future has been dropped.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    tokio::time::timeout(duration, future).await.map_err(|_| Elapsed)
}

/// The monotonic clock.
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock, in milliseconds since the Unix epoch. Never used to decide correctness.
pub fn unix_time_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// Fills `N` bytes from the process's random source: fit for identities, under simulation drawn
/// from the seed.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill_random(&mut bytes);
    bytes
}

/// A random number, for jitter and choices.
pub fn random_u64() -> u64 {
    u64::from_le_bytes(random_bytes())
}

#[cfg(not(madsim))]
fn fill_random(bytes: &mut [u8]) {
    use rand::Rng;
    rand::rng().fill_bytes(bytes);
}

#[cfg(madsim)]
fn fill_random(bytes: &mut [u8]) {
    use madsim::rand::RngCore;
    madsim::rand::thread_rng().fill_bytes(bytes);
}

/// Runs blocking work off the async workers; inline in a task under simulation.
///
/// # Errors
/// When the work panicked or the runtime is shutting down.
pub async fn spawn_blocking<F, T>(work: F) -> io::Result<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    #[cfg(not(madsim))]
    let task = tokio::task::spawn_blocking(work);
    #[cfg(madsim)]
    let task = tokio::task::spawn(async move { work() });
    task.await.map_err(|error| io::Error::other(error.to_string()))
}

/// Starts a worker that owns blocking state: `step` receives every batch of requests that waited,
/// in order. A thread of its own in production, a task under simulation. It ends when every sender
/// is gone.
///
/// `queue_max` bounds what may wait, `batch_max` what one step sees. A longer batch shares one sync
/// between more waiters; a shorter one answers the first of them sooner.
///
/// # Errors
/// When the operating system refuses the thread.
pub fn spawn_worker<T, F>(
    name: &str,
    queue_max: usize,
    batch_max: usize,
    mut step: F,
) -> io::Result<tokio::sync::mpsc::Sender<T>>
where
    T: Send + 'static,
    F: FnMut(&mut Vec<T>) + Send + 'static,
{
    let (sender, mut receiver) = tokio::sync::mpsc::channel(queue_max);
    #[cfg(not(madsim))]
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut batch = Vec::new();
        while receiver.blocking_recv_many(&mut batch, batch_max) > 0 {
            step(&mut batch);
            batch.clear();
        }
    })?;
    #[cfg(madsim)]
    {
        let _ = name;
        spawn(async move {
            let mut batch = Vec::new();
            while receiver.recv_many(&mut batch, batch_max).await > 0 {
                step(&mut batch);
                batch.clear();
            }
        });
    }
    Ok(sender)
}

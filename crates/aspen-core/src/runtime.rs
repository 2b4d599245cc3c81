//! The runtime seam: the only door to clocks, tasks, threads and randomness.
//!
//! Product code asks here instead of asking tokio, the standard library or the operating system, so
//! that with `--cfg madsim` a simulator answers and one seed gives one trace. The lints in
//! `clippy.toml` ban the ambient forms everywhere else.
#![allow(clippy::disallowed_methods, reason = "this module is what the ban points to")]

use std::future::Future;
use std::io;
use std::time::Duration;

pub use tokio::time::Instant;

use tokio::sync::mpsc;

mod backoff;
#[cfg(not(madsim))]
mod real;
#[cfg(madsim)]
pub mod sim;
mod waiting;

pub use backoff::Backoff;
pub use waiting::{wait_for, wait_until};

#[cfg(not(madsim))]
use real as backend;
#[cfg(madsim)]
use sim::backend;

/// A channel that holds the latest value. Under simulation its waiters wake in the order in which
/// they came; tokio's own wakes them in an order that differs between runs of one seed.
#[cfg(not(madsim))]
pub use tokio::sync::watch;
#[cfg(madsim)]
pub mod watch;

/// A running task; dropping the handle detaches it.
pub type JoinHandle<T> = tokio::task::JoinHandle<T>;

/// The deadline passed before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadline has passed")]
pub struct Elapsed;

/// Runs a future as a task.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    backend::spawn(future)
}

/// Waits.
pub async fn sleep(duration: Duration) {
    backend::sleep(duration).await;
}

/// Waits until an instant.
pub async fn sleep_until(deadline: Instant) {
    backend::sleep_until(deadline).await;
}

/// Runs a future for at most `duration`; on [`Elapsed`] the future has been dropped.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    backend::timeout(duration, future).await
}

/// How many async workers a program starts: half of the cores. Disks and state machines have
/// threads of their own, and more workers than work mostly wake each other.
pub fn worker_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// The monotonic clock.
pub fn now() -> Instant {
    backend::now()
}

/// The wall clock, in milliseconds since the Unix epoch. Never used to decide correctness.
pub fn unix_time_ms() -> u64 {
    backend::unix_time_ms()
}

/// Fills `N` bytes from the process's random source: fit for identities, under simulation drawn
/// from the seed.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    backend::fill_random(&mut bytes);
    bytes
}

/// A random number, for jitter and choices.
pub fn random_u64() -> u64 {
    u64::from_le_bytes(random_bytes())
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
    backend::spawn_blocking(work).await.map_err(|error| io::Error::other(error.to_string()))
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
    step: F,
) -> io::Result<mpsc::Sender<T>>
where
    T: Send + 'static,
    F: FnMut(&mut Vec<T>) + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(queue_max);
    backend::run_worker(name, batch_max, receiver, step)?;
    Ok(sender)
}

/// As [`spawn_worker`], for work that nobody waits for while there is other work: on Linux its
/// thread has a lower priority, so that on busy cores requests go first. It must not hold for long
/// what the others need.
///
/// # Errors
/// When the operating system refuses the thread.
pub fn spawn_background_worker<T, F>(
    name: &str,
    queue_max: usize,
    batch_max: usize,
    mut step: F,
) -> io::Result<mpsc::Sender<T>>
where
    T: Send + 'static,
    F: FnMut(&mut Vec<T>) + Send + 'static,
{
    let mut is_lowered = false;
    spawn_worker(name, queue_max, batch_max, move |batch| {
        if !is_lowered {
            backend::lower_priority();
            is_lowered = true;
        }
        step(batch);
    })
}

/// Whether a simulation wants something rare but legal to happen at this point. Never outside one.
#[cfg(not(madsim))]
#[inline(always)]
pub const fn buggify(_point: &'static str) -> bool {
    false
}
#[cfg(madsim)]
pub use sim::buggify;

/// Whether a simulation has planted this bug, to see that its checks find it. Never outside one.
#[cfg(not(madsim))]
#[inline(always)]
pub const fn planted(_bug: &'static str) -> bool {
    false
}
#[cfg(madsim)]
pub use sim::planted;

#[cfg(all(test, not(madsim), target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use rustix::process::getpriority_process;
    use tokio::sync::oneshot;

    use super::{spawn_background_worker, spawn_worker};

    type Asked = oneshot::Sender<i32>;

    fn answer(asked: &mut Vec<Asked>) {
        for reply in asked.drain(..) {
            reply.send(getpriority_process(None).unwrap()).unwrap();
        }
    }

    #[tokio::test]
    async fn only_background_work_lets_others_go_first() {
        let foreground = spawn_worker("foreground", 1, 1, answer).unwrap();
        let background = spawn_background_worker("background", 1, 1, answer).unwrap();
        let mut found = Vec::new();
        for worker in [&background, &foreground, &background] {
            let (reply, answer) = oneshot::channel();
            worker.send(reply).await.unwrap();
            found.push(answer.await.unwrap());
        }
        let own = getpriority_process(None).unwrap();
        assert_eq!(found, [own + 10, own, own + 10].map(|nice| nice.min(19)));
    }
}

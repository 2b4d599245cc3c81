//! The seam on madsim.

use std::future::Future;
use std::io;
use std::time::Duration;

use madsim::rand::RngCore;
use madsim::runtime::Handle;
use tokio::sync::mpsc;

use super::blocking;
use crate::runtime::{Elapsed, JoinHandle};

pub(in crate::runtime) use super::clock::{now, unix_time_ms};
pub(in crate::runtime) use super::sleep::{sleep, sleep_until};

#[track_caller]
pub(in crate::runtime) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    madsim::task::spawn(future)
}

pub(in crate::runtime) async fn timeout<F: Future>(
    duration: Duration,
    future: F,
) -> Result<F::Output, Elapsed> {
    tokio::select! {
        biased;
        output = future => Ok(output),
        () = sleep(duration) => Err(Elapsed),
    }
}

pub(in crate::runtime) fn fill_random(bytes: &mut [u8]) {
    match Handle::try_current() {
        Ok(_) => madsim::rand::thread_rng().fill_bytes(bytes),
        Err(_) => rand::Rng::fill_bytes(&mut rand::rng(), bytes),
    }
}

pub(in crate::runtime) fn spawn_blocking<F, T>(work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    spawn(async move {
        blocking::wait("blocking").await;
        work()
    })
}

/// A batch is received, then the time passes, then the step happens at once: what arrives
/// meanwhile waits for the next step, and a crash meanwhile finds nothing of this one done.
pub(in crate::runtime) fn run_worker<T, F>(
    name: &str,
    batch_max: usize,
    mut receiver: mpsc::Receiver<T>,
    mut step: F,
) -> io::Result<()>
where
    T: Send + 'static,
    F: FnMut(&mut Vec<T>) + Send + 'static,
{
    let name = name.to_owned();
    spawn(async move {
        let mut batch = Vec::new();
        while receiver.recv_many(&mut batch, batch_max).await > 0 {
            blocking::wait(&name).await;
            step(&mut batch);
            batch.clear();
        }
    });
    Ok(())
}

/// Simulated work has no threads and no priorities.
pub(in crate::runtime) fn lower_priority() {}

//! openraft's runtime on the simulator.

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use aspen_core::runtime;
use aspen_core::runtime::sim::{self, Sleep};
use openraft::rt::{AsyncRuntime, OptionalSend};
use openraft_rt_tokio::{TokioMpsc, TokioMutex, TokioOneshot};

use super::instant::SimInstant;
use super::random::SimRandom;
use super::timeout::{SimElapsed, Timeout};
use super::watch::SimWatch;

/// Tasks, time and randomness of the simulator. Channels that wake in order of arrival are tokio's
/// own; they need no runtime.
pub(crate) struct SimRuntime(madsim::runtime::Runtime);

impl fmt::Debug for SimRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimRuntime")
    }
}

impl AsyncRuntime for SimRuntime {
    type JoinError = madsim::task::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = madsim::task::JoinHandle<T>;
    type Sleep = Sleep;
    type Instant = SimInstant;
    type TimeoutError = SimElapsed;
    type Timeout<R, F: Future<Output = R> + OptionalSend> = Timeout<F>;
    type ThreadLocalRng = SimRandom;
    type Mpsc = TokioMpsc;
    type Watch = SimWatch;
    type Oneshot = TokioOneshot;
    type Mutex<T: OptionalSend + 'static> = TokioMutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        runtime::spawn(future)
    }

    fn sleep(duration: Duration) -> Sleep {
        sim::sleep(duration)
    }

    fn sleep_until(deadline: SimInstant) -> Sleep {
        sim::sleep_until(deadline.0)
    }

    fn timeout<R, F>(duration: Duration, future: F) -> Timeout<F>
    where
        F: Future<Output = R> + OptionalSend,
    {
        Timeout::new(sim::sleep(duration), future)
    }

    fn timeout_at<R, F>(deadline: SimInstant, future: F) -> Timeout<F>
    where
        F: Future<Output = R> + OptionalSend,
    {
        Timeout::new(sim::sleep_until(deadline.0), future)
    }

    fn is_panic(error: &Self::JoinError) -> bool {
        error.is_panic()
    }

    fn thread_rng() -> SimRandom {
        SimRandom
    }

    fn new(_threads: usize) -> Self {
        Self(madsim::runtime::Runtime::new())
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }

    fn spawn_blocking<F, T>(work: F) -> impl Future<Output = Result<T, io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        runtime::spawn_blocking(work)
    }
}

#[cfg(test)]
mod tests {
    use openraft::testing::runtime::Suite;

    use super::SimRuntime;

    #[test]
    fn passes_the_suite_of_openraft() {
        Suite::<SimRuntime>::test_all();
    }
}

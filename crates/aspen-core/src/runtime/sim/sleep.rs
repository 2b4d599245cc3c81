//! Waiting in simulated time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::clock;
use crate::runtime::Instant;

/// What a wait without end is cut to: decades, as tokio does it.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// Completes at an instant of the clock of the node that created it.
#[derive(Debug)]
pub struct Sleep {
    inner: madsim::time::Sleep,
    /// Who will be woken. madsim adds a timer at every poll; one for each waker is enough.
    registered: Option<Waker>,
}

/// Waits; at least a millisecond, as madsim does.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(clock::now() + duration.min(WAIT_MAX))
}

/// Waits until an instant.
pub fn sleep_until(deadline: Instant) -> Sleep {
    let deadline = deadline.min(clock::now() + WAIT_MAX);
    let inner = madsim::time::sleep_until(clock::simulated_instant(deadline));
    Sleep { inner, registered: None }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.inner.is_elapsed() {
            return Poll::Ready(());
        }
        let waker = context.waker();
        if self.registered.as_ref().is_some_and(|registered| registered.will_wake(waker)) {
            return Poll::Pending;
        }
        self.registered = Some(waker.clone());
        Pin::new(&mut self.inner).poll(context)
    }
}

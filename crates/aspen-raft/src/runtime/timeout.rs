//! A future with a deadline.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use aspen_core::runtime::sim::Sleep;

/// The deadline passed before the future was ready.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("deadline has passed")]
pub(crate) struct SimElapsed;

/// The future goes first: one that is ready at its deadline is in time.
pub(crate) struct Timeout<F> {
    future: Pin<Box<F>>,
    sleep: Sleep,
}

impl<F: Future> Timeout<F> {
    pub(super) fn new(sleep: Sleep, future: F) -> Self {
        Self { future: Box::pin(future), sleep }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, SimElapsed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut self.sleep).poll(context).map(|()| Err(SimElapsed))
    }
}

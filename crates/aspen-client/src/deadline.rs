//! The instant until which a request may be retried.

use std::future::Future;
use std::time::Duration;

use aspen_core::runtime::{self, Elapsed, Instant};

/// An instant, and how long it was away when the request began (for messages).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    total: Duration,
}

impl Deadline {
    pub(crate) fn after(total: Duration) -> Self {
        Self { at: runtime::now() + total, total }
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.at.saturating_duration_since(runtime::now())
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Runs a future until the deadline.
    pub(crate) async fn limit<F: Future>(&self, future: F) -> Result<F::Output, Elapsed> {
        runtime::timeout(self.remaining(), future).await
    }

    /// What the caller reads once the deadline has passed.
    pub(crate) fn describe(&self, last_failure: Option<&str>) -> String {
        let total_ms = self.total.as_millis();
        match last_failure {
            Some(failure) => format!("no answer within {total_ms} ms; last failure: {failure}"),
            None => format!("no answer within {total_ms} ms"),
        }
    }
}

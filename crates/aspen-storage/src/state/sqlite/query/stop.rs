//! When a query must end before its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{ReadError, SqlError};

/// A query's end: its time, or the caller's going away. Shared by the caller and the query's
/// thread.
#[derive(Clone)]
pub(super) struct Stop {
    deadline: Instant,
    limit: Duration,
    gone: Arc<AtomicBool>,
}

/// Ends the query when it is dropped.
pub(super) struct WhenDropped(Arc<AtomicBool>);

impl Drop for WhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Stop {
    pub(super) fn after(limit: Duration) -> Self {
        Self { deadline: runtime::now() + limit, limit, gone: Arc::default() }
    }

    pub(super) fn when_dropped(&self) -> WhenDropped {
        WhenDropped(self.gone.clone())
    }

    /// Whether the query must end now.
    pub(super) fn is_due(&self) -> bool {
        self.gone.load(Ordering::Relaxed) || runtime::now() >= self.deadline
    }

    /// What a query that was ended answers.
    pub(super) fn error(&self) -> SqlError {
        match self.gone.load(Ordering::Relaxed) {
            true => ReadError::Timeout("the caller of the query is gone".to_owned()).into(),
            false => {
                let limit_ms = u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX);
                SqlError::TimedOut { limit_ms }
            }
        }
    }
}

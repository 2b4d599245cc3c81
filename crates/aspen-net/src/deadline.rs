//! Deadlines that several steps share.

use std::time::Duration;

use aspen_core::runtime::{self, Instant};

/// The longest that anything waits here: a caller that wants forever gets a day, and no clock
/// overflows.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The instant when a timeout that begins now ends.
pub(crate) fn deadline_after(timeout: Duration) -> Instant {
    runtime::now() + timeout.min(TIMEOUT_MAX)
}

/// The future's output, or `None` when the deadline passes first.
pub(crate) async fn within<F: Future>(deadline: Instant, future: F) -> Option<F::Output> {
    let left = deadline.saturating_duration_since(runtime::now());
    runtime::timeout(left, future).await.ok()
}

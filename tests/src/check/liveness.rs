//! Invariant: once faults have stopped, the system serves again within a bounded time.
//!
//! Source: liveness after Alpern and Schneider, "Defining Liveness" (1985), under the partial
//! synchrony of Dwork, Lynch and Stockmeyer (1988): consensus promises progress only while the
//! network delivers in time, so this is asked only after the last fault. The bound is in the
//! runtime's time, which under simulation costs nothing to wait for.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use aspen_core::runtime;

use super::Violation;

/// How long to wait between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Attempts something until it succeeds, and answers its result.
///
/// # Errors
/// When it has not succeeded `within` the time; the violation carries the last error.
pub async fn eventually<T, E, F>(
    what: &str,
    within: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Violation>
where
    E: Display,
    F: Future<Output = Result<T, E>>,
{
    let deadline = runtime::now() + within;
    let mut last = "no answer".to_owned();
    loop {
        let left = deadline.saturating_duration_since(runtime::now());
        match runtime::timeout(left, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => last = error.to_string(),
            Err(runtime::Elapsed) => last.push_str(" (and the last attempt did not end)"),
        }
        if runtime::now() + PAUSE >= deadline {
            let detail = format!("{what}: not within {within:?}; at last: {last}");
            return Err(Violation::new("liveness", detail));
        }
        runtime::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_succeeds_at_last_is_answered() {
        let mut attempts = 0;
        let counted = eventually("count", Duration::from_secs(3_600), || {
            attempts += 1;
            std::future::ready(if attempts < 3 { Err("not yet") } else { Ok(attempts) })
        });
        assert_eq!(counted.await, Ok(3));
    }

    #[tokio::test]
    async fn what_never_succeeds_is_a_violation_with_the_last_error() {
        let attempt = || std::future::ready(Err::<(), _>("no leader"));
        let violation = eventually("a write", Duration::ZERO, attempt).await.unwrap_err();
        assert_eq!(violation.invariant, "liveness");
        assert!(violation.detail.contains("no leader"), "{violation}");
    }

    #[tokio::test]
    async fn what_never_ends_is_a_violation() {
        let attempt = std::future::pending::<Result<(), String>>;
        let violation = eventually("a read", Duration::ZERO, attempt).await.unwrap_err();
        assert!(violation.detail.contains("did not end"), "{violation}");
    }
}

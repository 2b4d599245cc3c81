//! Pauses between attempts.

use std::time::Duration;

use super::random_u64;

/// Doubling pauses with jitter: each is drawn from `[pause / 2, pause]`, so that those who failed
/// together, or got in each other's way, do not come back together.
#[derive(Debug)]
pub struct Backoff {
    next_ms: u64,
    max_ms: u64,
}

impl Backoff {
    /// Pauses from `min_ms` to `max_ms`, in milliseconds. Without a longest pause there is none.
    pub fn new(min_ms: u64, max_ms: u64) -> Self {
        Self { next_ms: min_ms, max_ms }
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let pause_ms = self.next_ms.min(self.max_ms);
        self.next_ms = pause_ms.saturating_mul(2).max(1).min(self.max_ms);
        let half = pause_ms / 2;
        Duration::from_millis(half + random_u64() % (pause_ms - half + 1))
    }
}

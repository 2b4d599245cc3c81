//! Pauses between attempts.

use std::time::Duration;

use aspen_core::runtime;

use crate::RunOptions;

/// Doubling pauses with jitter: each is drawn from `[pause / 2, pause]`, so that transactions that
/// conflicted with each other do not meet again.
#[derive(Debug)]
pub(crate) struct Backoff {
    next_ms: u64,
    max_ms: u64,
}

impl Backoff {
    pub(crate) fn new(options: &RunOptions) -> Self {
        Self { next_ms: options.backoff_ms_min, max_ms: options.backoff_ms_max }
    }

    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause_ms = self.next_ms.min(self.max_ms);
        self.next_ms = pause_ms.saturating_mul(2).max(1).min(self.max_ms);
        let half = pause_ms / 2;
        Duration::from_millis(half + runtime::random_u64() % (pause_ms - half + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_and_keep_at_least_half() {
        let options = RunOptions { backoff_ms_min: 10, ..RunOptions::default() };
        let mut backoff = Backoff::new(&options);
        for expected in [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000] {
            let pause = u64::try_from(backoff.pause().as_millis()).unwrap();
            assert!((expected / 2..=expected).contains(&pause), "{pause} for {expected}");
        }
    }

    #[test]
    fn no_pause_stays_none() {
        let options = RunOptions { backoff_ms_min: 0, backoff_ms_max: 0, ..RunOptions::default() };
        let mut backoff = Backoff::new(&options);
        assert_eq!([backoff.pause(), backoff.pause()], [Duration::ZERO; 2]);
    }
}

//! Pauses between attempts.

use aspen_core::runtime::Backoff;

use crate::RunOptions;

/// The pauses between attempts of transactions with these options.
pub(crate) fn backoff(options: &RunOptions) -> Backoff {
    Backoff::new(options.backoff_ms_min, options.backoff_ms_max)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_and_keep_at_least_half() {
        let options = RunOptions { backoff_ms_min: 10, ..RunOptions::default() };
        let mut pauses = backoff(&options);
        for expected in [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000] {
            let pause = u64::try_from(pauses.pause().as_millis()).unwrap();
            assert!((expected / 2..=expected).contains(&pause), "{pause} for {expected}");
        }
    }

    #[test]
    fn no_pause_stays_none() {
        let options = RunOptions { backoff_ms_min: 0, backoff_ms_max: 0, ..RunOptions::default() };
        let mut pauses = backoff(&options);
        assert_eq!([pauses.pause(), pauses.pause()], [Duration::ZERO; 2]);
    }
}

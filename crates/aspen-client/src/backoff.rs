//! Pauses between attempts.

use aspen_core::runtime::Backoff;

use crate::ClientOptions;

/// The pauses between attempts of requests with these options.
pub(crate) fn backoff(options: &ClientOptions) -> Backoff {
    Backoff::new(options.backoff_ms_min.max(1), options.backoff_ms_max.max(1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_keep_at_least_half() {
        let options =
            ClientOptions { backoff_ms_min: 10, backoff_ms_max: 1_000, ..ClientOptions::default() };
        let mut pauses = backoff(&options);
        for expected in [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000] {
            let pause = u64::try_from(pauses.pause().as_millis()).unwrap();
            assert!((expected / 2..=expected).contains(&pause), "{pause} for {expected}");
        }
    }
}

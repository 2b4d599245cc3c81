//! The arithmetic of a token bucket.

use std::time::Duration;

use super::{RateDecision, RateLimit};

/// A token bucket as the time at which it will be full again (the generic cell rate algorithm, ATM
/// Forum, "Traffic Management Specification 4.0", section 4.4): one number says how much is in it
/// and when that was so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// In nanoseconds since the Unix epoch.
    full_at_ns: u64,
}

impl Bucket {
    pub(super) fn full_at(full_at_ns: u64) -> Self {
        Self { full_at_ns }
    }

    pub(super) fn full_at_ns(self) -> u64 {
        self.full_at_ns
    }

    /// Takes permits if there are enough at this time.
    pub(super) fn take(
        &mut self,
        limit: &RateLimit,
        permits: u32,
        unix_time_ms: u64,
    ) -> RateDecision {
        let now_ns = unix_time_ms.saturating_mul(1_000_000);
        let full_at_ns = self.full_at_ns.max(now_ns).saturating_add(fill_ns(limit, permits));
        let latest_ns = now_ns.saturating_add(fill_ns(limit, limit.burst));
        match full_at_ns.checked_sub(latest_ns) {
            None | Some(0) => {
                self.full_at_ns = full_at_ns;
                RateDecision::Admitted
            }
            Some(missing_ns) => {
                // Clocks are read in milliseconds: a wait that is cut off would come too soon.
                let retry_after = Duration::from_millis(missing_ns.div_ceil(1_000_000));
                RateDecision::Refused { retry_after }
            }
        }
    }
}

/// How long it takes to gain so many permits, in nanoseconds, rounded up: rounding never admits
/// more than the limit says.
fn fill_ns(limit: &RateLimit, permits: u32) -> u64 {
    let ns = (limit.period.as_nanos() * u128::from(permits)).div_ceil(u128::from(limit.permits));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_stretch_of_time_admits_more_than_the_limit_says(
            permits in 1u32..50,
            period_ms in 1u64..2_000,
            burst in 1u32..50,
            steps in prop::collection::vec((0u64..500, 1u32..50), 1..100),
        ) {
            let limit = RateLimit { permits, period: Duration::from_millis(period_ms), burst };
            let mut bucket = Bucket::full_at(0);
            let mut now_ms = 1_000_000;
            let mut admitted = Vec::new();
            for (pause_ms, wanted) in steps {
                now_ms += pause_ms;
                let wanted = wanted.min(burst);
                if bucket.take(&limit, wanted, now_ms) == RateDecision::Admitted {
                    admitted.push((now_ms, u64::from(wanted)));
                }
            }
            for (at, (begun_ms, _)) in admitted.iter().enumerate() {
                let mut taken = 0;
                for (time_ms, wanted) in &admitted[at..] {
                    taken += wanted;
                    let gained = (time_ms - begun_ms) * u64::from(permits) / period_ms;
                    prop_assert!(taken <= u64::from(burst) + gained);
                }
            }
        }

        #[test]
        fn whoever_waits_as_told_is_admitted(
            permits in 1u32..50,
            period_ms in 1u64..2_000,
            burst in 1u32..50,
            wanted in 1u32..50,
        ) {
            let limit = RateLimit { permits, period: Duration::from_millis(period_ms), burst };
            let mut bucket = Bucket::full_at(0);
            let now_ms = 5_000_000;
            prop_assert_eq!(bucket.take(&limit, burst, now_ms), RateDecision::Admitted);
            let wanted = wanted.min(burst);
            let RateDecision::Refused { retry_after } = bucket.take(&limit, wanted, now_ms) else {
                panic!("an empty bucket admits nothing");
            };
            let later_ms = now_ms + retry_after.as_millis() as u64;
            let mut early = bucket;
            prop_assert_ne!(early.take(&limit, wanted, later_ms - 1), RateDecision::Admitted);
            prop_assert_eq!(bucket.take(&limit, wanted, later_ms), RateDecision::Admitted);
        }
    }

    #[test]
    fn a_slow_clock_neither_fills_nor_empties_the_bucket() {
        let limit = RateLimit { permits: 1, period: Duration::from_secs(1), burst: 2 };
        let mut bucket = Bucket::full_at(0);
        assert_eq!(bucket.take(&limit, 2, 10_000), RateDecision::Admitted);
        let refused = RateDecision::Refused { retry_after: Duration::from_secs(4) };
        assert_eq!(bucket.take(&limit, 1, 7_000), refused);
        assert_eq!(bucket.take(&limit, 1, 11_000), RateDecision::Admitted);
    }
}

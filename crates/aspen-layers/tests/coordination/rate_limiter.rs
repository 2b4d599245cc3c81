//! A bucket that all share.

use std::time::Duration;

use aspen_core::ErrorKind;
use aspen_layers::coordination::{RateDecision, RateLimit, RateLimiter};
use futures_util::future::join_all;

use crate::process::{Process, below};

const LIMIT: RateLimit = RateLimit { permits: 10, period: Duration::from_secs(1), burst: 5 };

fn limiter(process: &Process) -> RateLimiter {
    process.coordinator().rate_limiter("api", LIMIT).unwrap()
}

async fn takes(limiter: &RateLimiter, permits: u32, unix_time_ms: u64) -> bool {
    let decision = limiter.try_acquire_at(permits, unix_time_ms).await.unwrap();
    decision == RateDecision::Admitted
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_admitted_and_then_the_rate() {
    let process = Process::default();
    let limiter = limiter(&process);
    let begun = 1_000_000;
    assert!(takes(&limiter, 5, begun).await);
    let refused = limiter.try_acquire_at(2, begun).await.unwrap();
    assert_eq!(refused, RateDecision::Refused { retry_after: Duration::from_millis(200) });
    assert!(!takes(&limiter, 2, begun + 199).await);
    assert!(takes(&limiter, 2, begun + 200).await);
    // A long pause fills the bucket, and no more than that.
    assert!(takes(&limiter, 5, begun + 60_000).await);
    assert!(!takes(&limiter, 1, begun + 60_000).await);
}

#[tokio::test(start_paused = true)]
async fn all_clients_together_stay_within_the_bounds() {
    let process = Process::default();
    let begun = 1_000_000;
    let clients = (0..6).map(|_| {
        let limiter = limiter(&process.other());
        async move {
            let (mut now, mut admitted) = (begun, 0);
            // One clock for all, looked at by each in its own steps.
            while now <= begun + 3_000 {
                let permits = 1 + below(3) as u32;
                if takes(&limiter, permits, now).await {
                    admitted += permits;
                }
                now += 1 + below(200);
            }
            admitted
        }
    });
    let admitted: u32 = join_all(clients).await.into_iter().sum();
    assert!(admitted <= LIMIT.burst + 3 * LIMIT.permits, "{admitted}");
    assert!(admitted >= 3 * LIMIT.permits / 2, "{admitted}");
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_admitted_is_refused_at_once() {
    let process = Process::default();
    for permits in [0, 6] {
        let error = limiter(&process).try_acquire(permits).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    for limit in [
        RateLimit { permits: 0, ..LIMIT },
        RateLimit { burst: 0, ..LIMIT },
        RateLimit { period: Duration::ZERO, ..LIMIT },
        RateLimit { period: Duration::from_secs(90_000), ..LIMIT },
    ] {
        assert!(process.coordinator().rate_limiter("api", limit).is_err(), "{limit:?}");
    }
}

//! A token bucket that all share.

mod bucket;

use std::time::Duration;

use aspen_core::{InvalidRequest, Key, Value, runtime};

use self::bucket::Bucket;
use super::CoordinationError;
use super::space::Space;

/// How many permits a bucket holds at most, and how many it may gain in a period.
pub const RATE_PERMITS_MAX: u32 = 1_000_000_000;

/// The longest period of a limit. A limit for longer is a quota, which is counted.
const RATE_PERIOD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// So many permits in a period, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many permits the bucket gains in each period, `1..=RATE_PERMITS_MAX`.
    pub permits: u32,
    /// The period, from 1 ms to a day.
    pub period: Duration,
    /// How many permits the bucket holds, `1..=RATE_PERMITS_MAX`: what can be taken at once after a
    /// pause. A larger one admits bursts, a smaller one spreads what is admitted evenly.
    pub burst: u32,
}

impl RateLimit {
    /// So many permits a second, all of which may be taken at once.
    pub fn per_second(permits: u32) -> Self {
        Self { permits, period: Duration::from_secs(1), burst: permits }
    }

    /// Checks the bounds.
    ///
    /// # Errors
    /// Names the field that is out of bounds.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        let permits = 1..=RATE_PERMITS_MAX;
        if !permits.contains(&self.permits) || !permits.contains(&self.burst) {
            let detail = format!("permits, burst: not within 1 and {RATE_PERMITS_MAX}");
            return Err(InvalidRequest::new(detail + " (RATE_PERMITS_MAX)"));
        }
        match self.period {
            period if period < Duration::from_millis(1) || period > RATE_PERIOD_MAX => {
                Err(InvalidRequest::new("period: not within 1 ms and a day"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether permits were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateDecision {
    /// They were.
    Admitted,
    /// They were not; there will be enough after this time, unless others take them.
    Refused {
        /// How long to wait.
        retry_after: Duration,
    },
}

/// A token bucket that all share.
///
/// **Whose clock:** the wall clock of each caller says how much time has passed. The bucket never
/// goes back in time, so the fastest clock fills it and callers with slower ones find it as that
/// left it: over any time T by that clock at most `burst + permits * T / period` are admitted. A
/// caller whose clock is ahead by D gains `permits * D / period` once, and one that is behind waits
/// for up to D longer. Keep clocks in step to within the time that a burst takes to refill. What
/// must hold whatever clocks show is a [`super::Semaphore`]'s work.
///
/// Each decision is a transaction: a read and, when permits are taken, a write.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    space: Space,
    limit: RateLimit,
}

impl RateLimiter {
    pub(super) fn new(space: Space, limit: RateLimit) -> Self {
        Self { space, limit }
    }

    /// Takes permits if there are enough.
    ///
    /// # Errors
    /// Names the number when it is 0 or above the burst; see [`CoordinationError`]. After one with
    /// `may_have_applied` they may be taken.
    pub async fn try_acquire(&self, permits: u32) -> Result<RateDecision, CoordinationError> {
        self.try_acquire_at(permits, runtime::unix_time_ms()).await
    }

    /// [`RateLimiter::try_acquire`] by another clock: milliseconds since the Unix epoch. All users
    /// of the limiter must share it.
    ///
    /// # Errors
    /// As [`RateLimiter::try_acquire`].
    pub async fn try_acquire_at(
        &self,
        permits: u32,
        unix_time_ms: u64,
    ) -> Result<RateDecision, CoordinationError> {
        if permits == 0 || permits > self.limit.burst {
            let detail = format!("permits: {permits} is not within 1 and {}", self.limit.burst);
            return Err(InvalidRequest::new(detail).into());
        }
        let key = self.key();
        let run = self.space.coordinator.database.run(async |tx| {
            let found = tx.get(&key).await?;
            let mut bucket = Bucket::from_value(found.as_ref());
            let decision = bucket.take(&self.limit, permits, unix_time_ms);
            if decision == RateDecision::Admitted {
                tx.set(key.clone(), bucket.to_value())?;
            }
            Ok::<_, CoordinationError>(decision)
        });
        run.await
    }

    /// Waits for permits and takes them. Others may take them first; nobody stands in line.
    ///
    /// # Errors
    /// As [`RateLimiter::try_acquire`].
    pub async fn acquire(&self, permits: u32) -> Result<(), CoordinationError> {
        loop {
            match self.try_acquire(permits).await? {
                RateDecision::Admitted => return Ok(()),
                RateDecision::Refused { retry_after } => runtime::sleep(retry_after).await,
            }
        }
    }

    fn key(&self) -> Key {
        self.space.key(&[b"b"])
    }
}

impl Bucket {
    fn from_value(value: Option<&Value>) -> Self {
        let bytes = value.and_then(|value| value.as_bytes().try_into().ok());
        Self::full_at(bytes.map_or(0, u64::from_le_bytes))
    }

    fn to_value(self) -> Value {
        Value::new(self.full_at_ns().to_le_bytes().to_vec()).expect("8 bytes are a value")
    }
}

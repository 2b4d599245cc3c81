//! Invariant: the keys of a lease are there as long as the lease was promised to its holder, go
//! away together, and are gone once nobody keeps the lease alive.
//!
//! Each client grants leases, attaches keys of its own to them, keeps some alive for a while, looks
//! at the keys, and in the end revokes the lease or forgets it. Other keys get a TTL of their own.
//! After the faults everything that was attached must go away by itself.

mod round;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use async_trait::async_trait;

use self::round::Round;
use super::key_space::KeySpace;
use super::{Context, Workload};
use crate::check::Violation;

/// How many milliseconds leases get; the shortest that there are, so that many end.
const TTL_MS: std::ops::Range<u64> = 1_000..4_000;

/// How long leases that nobody keeps alive may stay when nothing is wrong: their TTL, and some
/// failovers that give it to them anew.
const END_PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Leases and their keys.
pub(super) struct Holding {
    keys: KeySpace,
    rounds: AtomicU64,
}

impl Holding {
    pub(super) fn new(before: &str) -> Self {
        Self { keys: KeySpace::new(format!("{before}leases")), rounds: AtomicU64::new(0) }
    }

    /// Holds one lease, or one key with a TTL, for a while.
    async fn hold(&self, context: &Context) -> Result<(), Violation> {
        let number = self.rounds.fetch_add(1, Ordering::Relaxed);
        let ttl_ms = TTL_MS.start + context.random.below(TTL_MS.end - TTL_MS.start);
        let names = [format!("{number}/a"), format!("{number}/b")];
        let keys = names.map(|name| self.keys.key(name));
        let begun = match context.random.one_in(4) {
            true => Round::with_ttl(context, keys[0].clone(), ttl_ms).await?,
            false => Round::with_lease(context, keys.into(), ttl_ms).await?,
        };
        let Some(mut round) = begun else { return Ok(()) };
        for _ in 0..1 + context.random.below(10) {
            match context.random.below(8) {
                0..3 => round.attach(context).await?,
                3..5 => round.keep_alive(context).await?,
                5 => runtime::sleep(Duration::from_millis(context.random.below(ttl_ms))).await,
                _ => round.look(context).await?,
            }
            if context.stop.is_set() {
                break;
            }
            context.think().await;
        }
        if context.random.one_in(3) {
            round.revoke(context).await?;
        }
        round.look(context).await
    }
}

#[async_trait]
impl Workload for Holding {
    fn name(&self) -> &'static str {
        "leases"
    }

    async fn prepare(&self, _: &Context) -> Result<(), Violation> {
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        while !context.stop.is_set() {
            context.think().await;
            self.hold(&context).await?;
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        let until: Instant = runtime::now() + END_PATIENCE;
        loop {
            let left = context.surely_scan(self.keys.range("")).await?;
            let Some(entry) = left.entries.first() else { return Ok(()) };
            if runtime::now() > until {
                let detail = format!("of {} keys one is {entry:?}", left.entries.len());
                return Err(Violation::new("a lease that nobody keeps alive ends", detail));
            }
            runtime::sleep(LOOK_EVERY).await;
        }
    }
}

//! Every node's clocks: the simulation's one clock, each at a speed and an offset of its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use madsim::task::NodeId;
use madsim::time::TimeHandle;

use crate::runtime::Instant;

const MILLION: i128 = 1_000_000;

/// How a node's clocks differ from the simulation's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew {
    /// Added to the wall clock, in milliseconds.
    pub wall_ms: i64,
    /// How much faster both clocks run, in millionths; above -1,000,000.
    pub rate_ppm: i32,
}

/// A node's monotonic clock since the skew last changed; it never jumps.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    skew: Skew,
    /// Simulated time when the skew changed, in nanoseconds from the start.
    simulated_ns: i128,
    /// What the node's clock showed then.
    shown_ns: i128,
}

impl Clock {
    fn rate(&self) -> i128 {
        (MILLION + i128::from(self.skew.rate_ppm)).max(1)
    }

    fn show(&self, simulated: Duration) -> Duration {
        let passed = nanos(simulated) - self.simulated_ns;
        duration(self.shown_ns + passed * self.rate() / MILLION)
    }

    /// When the clock shows a time, rounded up: a sleeper that wakes then is not early.
    fn when_shown(&self, shown: Duration) -> Duration {
        let left = (nanos(shown) - self.shown_ns) * MILLION;
        duration(self.simulated_ns + left.div_euclid(self.rate()) + i128::from(left > 0))
    }
}

thread_local! {
    static CLOCKS: RefCell<BTreeMap<NodeId, Clock>> = const { RefCell::new(BTreeMap::new()) };
}

/// Sets how a node's clocks run from now on. Instants that the node has taken stay in order.
pub fn set_clock(node: NodeId, skew: Skew) {
    let simulated = TimeHandle::current().elapsed();
    CLOCKS.with_borrow_mut(|clocks| {
        let clock = clocks.entry(node).or_default();
        let shown_ns = nanos(clock.show(simulated));
        *clock = Clock { skew, simulated_ns: nanos(simulated), shown_ns };
    });
}

/// The clock of the node whose task runs; `None` when it shows the simulation's time.
fn current() -> Option<Clock> {
    CLOCKS.with_borrow(|clocks| match clocks.is_empty() {
        true => None,
        false => clocks.get(&madsim::plugin::node()).copied(),
    })
}

pub(in crate::runtime) fn now() -> Instant {
    let Some(time) = TimeHandle::try_current() else { return Instant::now() };
    match current() {
        None => time.now_instant(),
        Some(clock) => start(&time) + clock.show(time.elapsed()),
    }
}

/// The simulation's instant at which the current node's clock shows `shown`.
pub(super) fn simulated_instant(shown: Instant) -> Instant {
    let Some(clock) = current() else { return shown };
    let start = start(&TimeHandle::current());
    start + clock.when_shown(shown.saturating_duration_since(start))
}

pub(in crate::runtime) fn unix_time_ms() -> u64 {
    let Some(time) = TimeHandle::try_current() else { return since_epoch_ms(SystemTime::now()) };
    let Some(clock) = current() else { return since_epoch_ms(time.now_time()) };
    let started = time.now_time() - time.elapsed();
    let shown_ms = since_epoch_ms(started + clock.show(time.elapsed()));
    shown_ms.saturating_add_signed(clock.skew.wall_ms)
}

fn start(time: &TimeHandle) -> Instant {
    time.now_instant() - time.elapsed()
}

fn since_epoch_ms(time: SystemTime) -> u64 {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

fn duration(nanos: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

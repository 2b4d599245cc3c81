//! How soon after an answer the next one may be taken.
//!
//! A change costs what it takes to wake each reader that is told of it. When many readers are told
//! of few changes, changes that come soon after are better told together with the next: waking a
//! thousand readers a thousand times a second would take a core.

use std::time::Duration;

/// How long taking changes waits for each reader that was woken. Waking one and what it does at the
/// least takes about half a microsecond: this keeps it near a twentieth of a core. More delays
/// changes that many watch; less takes more from everything else.
const PACE_PER_READER: Duration = Duration::from_micros(10);

/// How long it waits at most, however many readers there are.
const PACE_MAX: Duration = Duration::from_millis(50);

/// Shorter waits are not worth a timer, whose grain is a millisecond.
const PACE_MIN: Duration = Duration::from_millis(1);

/// How long to wait after an answer of some changes woke some readers; `None`: not at all. As many
/// readers as changes do not count, since each would be woken once for its own in any case.
pub(super) fn pause(woken: usize, changes: usize) -> Option<Duration> {
    let spare = u32::try_from(woken.saturating_sub(changes)).unwrap_or(u32::MAX);
    let pause = PACE_PER_READER.saturating_mul(spare).min(PACE_MAX);
    (pause >= PACE_MIN).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_readers_of_few_changes_wait() {
        assert_eq!(pause(1, 1), None);
        assert_eq!(pause(64, 1), None, "shorter than a timer's grain");
        assert_eq!(pause(256, 256), None, "each reader has a change of its own");
        assert_eq!(pause(1_000, 0), Some(Duration::from_millis(10)));
        assert_eq!(pause(100_000, 10), Some(PACE_MAX));
    }
}

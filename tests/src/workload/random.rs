//! Choices that follow from a seed.

use std::sync::atomic::{AtomicU64, Ordering};

/// The golden ratio in 64 bits: the step between two states.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A sequence of numbers that its seed determines: SplitMix64 (Steele, Lea and Flood, "Fast
/// Splittable Pseudorandom Number Generators", OOPSLA 2014). Good for choices, not for secrets.
///
/// Drawing needs no exclusive access, so that a client may draw wherever it stands. Two tasks that
/// draw from one sequence at once depend on each other's order: give each its own by
/// [`SeededRandom::fork`].
#[derive(Debug)]
pub struct SeededRandom {
    state: AtomicU64,
}

impl SeededRandom {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(mix(seed.wrapping_add(GAMMA))) }
    }

    /// A sequence of its own, determined by this one.
    pub fn fork(&self) -> Self {
        Self::new(self.next_u64())
    }

    /// The next number, each equally likely.
    pub fn next_u64(&self) -> u64 {
        mix(self.state.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA))
    }

    /// A number in `[0, end)`; 0 when that is empty.
    pub fn below(&self, end: u64) -> u64 {
        // The high half of the product is uniform but for less than `end / 2^64`.
        let product = u128::from(self.next_u64()) * u128::from(end);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// True once in `count` times on average.
    pub fn one_in(&self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// One of the items; `None` when there are none.
    pub fn pick<'a, T>(&self, items: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(items.len() as u64)).unwrap_or(0);
        items.get(index)
    }
}

fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(random: &SeededRandom) -> Vec<u64> {
        (0..100).map(|_| random.next_u64()).collect()
    }

    #[test]
    fn a_seed_determines_its_sequence_and_no_other() {
        assert_eq!(numbers(&SeededRandom::new(7)), numbers(&SeededRandom::new(7)));
        assert_ne!(numbers(&SeededRandom::new(7)), numbers(&SeededRandom::new(8)));
        let parent = SeededRandom::new(7);
        assert_ne!(numbers(&parent.fork()), numbers(&parent.fork()));
    }

    #[test]
    fn numbers_below_an_end_reach_all_of_them_and_no_more() {
        let random = SeededRandom::new(1);
        let mut seen = [0; 5];
        for _ in 0..1_000 {
            seen[random.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.pick::<u8>(&[]), None);
    }
}

//! A set of small numbers.

/// A set of small numbers; below 64 it needs no allocation. Equal sets are equal bit by bit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    low: u64,
    /// Bits 64 and up, without trailing zero words.
    high: Vec<u64>,
}

impl Bits {
    pub(super) fn contains(&self, bit: usize) -> bool {
        self.word(bit / 64) & mask(bit) != 0
    }

    pub(super) fn insert(&mut self, bit: usize) {
        if bit < 64 {
            self.low |= mask(bit);
            return;
        }
        let index = bit / 64 - 1;
        if self.high.len() <= index {
            self.high.resize(index + 1, 0);
        }
        self.high[index] |= mask(bit);
    }

    pub(super) fn remove(&mut self, bit: usize) {
        if bit < 64 {
            self.low &= !mask(bit);
        } else if let Some(word) = self.high.get_mut(bit / 64 - 1) {
            *word &= !mask(bit);
            while self.high.last() == Some(&0) {
                self.high.pop();
            }
        }
    }

    /// Whether every member of this set is in `other`.
    pub(super) fn is_subset(&self, other: &Self) -> bool {
        (0..self.words()).all(|index| self.word(index) & !other.word(index) == 0)
    }

    /// Words of 64 bits up to the last that is not zero.
    pub(super) fn words(&self) -> usize {
        1 + self.high.len()
    }

    /// The bits `64 * index ..`, zero beyond the last word.
    pub(super) fn word(&self, index: usize) -> u64 {
        match index {
            0 => self.low,
            index => self.high.get(index - 1).copied().unwrap_or(0),
        }
    }
}

fn mask(bit: usize) -> u64 {
    1 << (bit % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_that_hold_the_same_are_equal() {
        let mut set = Bits::default();
        for bit in [3, 64, 200] {
            set.insert(bit);
            assert!(set.contains(bit) && !set.contains(bit + 1));
        }
        let mut larger = set.clone();
        larger.insert(500);
        assert!(set.is_subset(&larger) && !larger.is_subset(&set));
        larger.remove(500);
        assert_eq!(larger, set);
        for bit in [3, 64, 200] {
            set.remove(bit);
        }
        assert_eq!(set, Bits::default());
    }
}

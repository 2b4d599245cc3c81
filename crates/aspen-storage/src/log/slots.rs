//! Where the entries of one group are: positions without gaps → rows of the file.

use std::collections::VecDeque;

/// The row that holds an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// The row's key.
    pub(super) sequence: u64,
    /// Bytes of payload.
    pub(super) len: u32,
}

/// The slots of the half-open range `[first, end)` of positions. 16 bytes an entry, so that a log
/// of a million entries is indexed in 16 MB.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    first: u64,
    slots: VecDeque<Slot>,
    len_bytes: u64,
}

impl Slots {
    /// No entry is held.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The first position; meaningless when empty.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The position after the last; meaningless when empty.
    pub(super) fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Bytes of payload of all entries.
    pub(super) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// The slots from `from` on, with their positions.
    pub(super) fn from(&self, from: u64) -> impl Iterator<Item = (u64, Slot)> + '_ {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let skip = skip.min(self.slots.len());
        (self.first + skip as u64..).zip(self.slots.range(skip..).copied())
    }

    /// Adds the entry at `index`; `false` when that would leave a gap.
    pub(super) fn push(&mut self, index: u64, slot: Slot) -> bool {
        if self.slots.is_empty() {
            self.first = index;
        }
        if index != self.end() {
            return false;
        }
        self.slots.push_back(slot);
        self.len_bytes += u64::from(slot.len);
        true
    }

    /// Removes the entries from `from` on.
    pub(super) fn truncate(&mut self, from: u64) {
        while self.end() > from {
            let Some(slot) = self.slots.pop_back() else { return };
            self.len_bytes -= u64::from(slot.len);
        }
    }

    /// Removes the entries up to and including `upto` and gives `removed` their rows.
    pub(super) fn purge(&mut self, upto: u64, mut removed: impl FnMut(u64)) {
        while self.first <= upto {
            let Some(slot) = self.slots.pop_front() else { return };
            self.first += 1;
            self.len_bytes -= u64::from(slot.len);
            removed(slot.sequence);
        }
        if self.slots.capacity() > 4 * self.slots.len() + 1024 {
            self.slots.shrink_to(2 * self.slots.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(range: std::ops::Range<u64>) -> Slots {
        let mut slots = Slots::default();
        for index in range {
            assert!(slots.push(index, Slot { sequence: index * 10, len: 2 }));
        }
        slots
    }

    #[test]
    fn positions_map_to_rows() {
        let slots = slots(5..9);
        assert_eq!((slots.first(), slots.end(), slots.len_bytes()), (5, 9, 8));
        let found: Vec<_> = slots.from(7).map(|(index, slot)| (index, slot.sequence)).collect();
        assert_eq!(found, [(7, 70), (8, 80)]);
        assert_eq!(slots.from(0).count(), 4);
        assert_eq!(slots.from(9).count(), 0);
        assert_eq!(slots.from(u64::MAX).count(), 0);
    }

    #[test]
    fn both_ends_shrink() {
        let mut slots = slots(5..9);
        let mut removed = Vec::new();
        slots.purge(6, |sequence| removed.push(sequence));
        assert_eq!((slots.first(), slots.end(), removed), (7, 9, vec![50, 60]));
        slots.truncate(8);
        assert_eq!((slots.end(), slots.len_bytes()), (8, 2));
        slots.truncate(0);
        assert!(slots.is_empty());
        assert_eq!(slots.len_bytes(), 0);
        assert!(slots.push(100, Slot { sequence: 1, len: 0 }), "an empty log may start anywhere");
        assert!(!slots.push(102, Slot { sequence: 1, len: 0 }), "a gap is refused");
    }
}

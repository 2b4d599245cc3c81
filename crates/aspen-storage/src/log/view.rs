//! What one group's log holds, as its readers see it.

use std::ops::Range;

use aspen_core::LogIndex;
use bytes::Bytes;

use super::slots::{Slot, Slots};
use super::{LogError, LogState};

/// One group's log in memory: where entries are, not what they hold. Entries and votes enter only
/// once they are durable. A purge and the committed position enter at once, since losing them costs
/// nothing.
///
/// `purged < slots.first() ≤ last < slots.end()`, and `purged + 1 == slots.first()` when something
/// was purged and entries remain.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) slots: Slots,
    pub(super) purged: Option<(LogIndex, Bytes)>,
    pub(super) vote: Option<Bytes>,
    pub(super) committed: Option<Bytes>,
}

impl View {
    /// The log's ends.
    pub(super) fn state(&self) -> LogState {
        let last = self.slots.end().checked_sub(1).filter(|_| !self.slots.is_empty());
        LogState {
            last: last.map(LogIndex::new),
            purged: self.purged.clone(),
            len_bytes: self.slots.len_bytes(),
        }
    }

    /// The position purged up to, inclusive.
    pub(super) fn purged_upto(&self) -> Option<u64> {
        self.purged.as_ref().map(|(upto, _)| upto.get())
    }

    /// The position that the next entry must have if the log ended before `cut`; `None` when it may
    /// be any, since the log never held anything.
    pub(super) fn next_before(&self, cut: u64) -> Option<u64> {
        let end = self.slots.end().min(cut);
        if self.slots.is_empty() || end <= self.slots.first() {
            return self.purged_upto().map(|upto| upto + 1);
        }
        Some(end)
    }

    /// Forgets the entries up to `upto` and gives `removed` their rows; `false` when an earlier
    /// purge went further.
    pub(super) fn purge(
        &mut self,
        upto: LogIndex,
        marker: Bytes,
        removed: impl FnMut(u64),
    ) -> Result<bool, LogError> {
        if self.purged_upto().is_some_and(|earlier| earlier > upto.get()) {
            return Ok(false);
        }
        if !self.slots.is_empty() && upto.get() + 1 < self.slots.first() {
            let first = self.slots.first();
            return Err(LogError::Misuse(format!(
                "purge up to {upto} leaves a gap before the first entry, {first}"
            )));
        }
        self.slots.purge(upto.get(), removed);
        self.purged = Some((upto, marker));
        Ok(true)
    }

    /// The slots of a range, as [`GroupLog::read`](super::GroupLog::read) cuts it.
    pub(super) fn slots_of(
        &self,
        range: &Range<u64>,
        bytes_max: usize,
    ) -> Result<Vec<(u64, Slot)>, LogError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(upto) = self.purged_upto().filter(|&upto| range.start <= upto) {
            let start = range.start;
            return Err(LogError::Misuse(format!("entry {start} was purged, up to {upto}")));
        }
        let mut bytes = 0;
        let fits = |&(index, slot): &(u64, Slot)| {
            let first = bytes == 0 && index == range.start.max(self.slots.first());
            bytes += slot.len as usize;
            index < range.end && (first || bytes <= bytes_max)
        };
        Ok(self.slots.from(range.start).take_while(fits).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn view(range: Range<u64>) -> View {
        let mut view = View::default();
        for index in range {
            assert!(view.slots.push(index, Slot { sequence: index, len: 10 }));
        }
        view
    }

    fn indexes(view: &View, range: Range<u64>, bytes_max: usize) -> Vec<u64> {
        view.slots_of(&range, bytes_max).unwrap().into_iter().map(|(index, _)| index).collect()
    }

    #[test]
    fn reads_stop_at_bytes_but_return_one() {
        let view = view(0..5);
        assert_eq!(indexes(&view, 1..4, 20), [1, 2]);
        assert_eq!(indexes(&view, 1..4, 0), [1]);
        assert_eq!(indexes(&view, 3..99, 1000), [3, 4]);
        assert_eq!(indexes(&view, 5..99, 1000), [0; 0]);
        assert_eq!(indexes(&view, 4..4, 1000), [0; 0]);
    }

    #[test]
    fn purge_moves_on_only() {
        let mut view = view(2..5);
        let marker = |text: &'static str| Bytes::from_static(text.as_bytes());
        assert!(view.purge(LogIndex::new(0), marker("gap"), |_| ()).is_err());
        assert!(view.purge(LogIndex::new(3), marker("a"), |_| ()).unwrap());
        assert!(!view.purge(LogIndex::new(2), marker("b"), |_| ()).unwrap());
        assert_eq!(view.state().purged, Some((LogIndex::new(3), marker("a"))));
        assert!(view.slots_of(&(3..5), 1000).is_err(), "purged entries are refused");
        assert_eq!(view.next_before(u64::MAX), Some(5));
        assert_eq!(view.next_before(4), Some(4));
        assert!(view.purge(LogIndex::new(9), marker("c"), |_| ()).unwrap());
        assert_eq!((view.state().last, view.next_before(u64::MAX)), (None, Some(10)));
        assert_eq!(View::default().next_before(u64::MAX), None);
    }
}

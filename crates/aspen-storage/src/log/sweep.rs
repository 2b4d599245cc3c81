//! Rows of purged entries, which later commits remove.

use std::collections::BTreeSet;

use redb::Table;

use super::LogError;

/// Rows removed one by one when they lie scattered: each rewrites a page, so that a commit takes
/// fewer of them than of neighbouring rows.
const SCATTERED_ROWS_MAX: usize = 512;
/// Rows count as neighbours when at least one in this many of their range is to go.
const NEIGHBOUR_SPAN: u64 = 4;

/// Rows that no log names any more.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    rows: BTreeSet<u64>,
}

impl Sweep {
    /// Adds a row.
    pub(super) fn add(&mut self, sequence: u64) {
        self.rows.insert(sequence);
    }

    /// Rows that wait.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes the oldest rows, at most `rows_max`.
    pub(super) fn take(&mut self, rows_max: usize) -> BTreeSet<u64> {
        let neighbours = self.rows.iter().take(rows_max.max(1));
        let (first, last) = (self.rows.first(), neighbours.clone().next_back());
        let span = last.zip(first).map_or(0, |(last, first)| last - first);
        let scattered = span > NEIGHBOUR_SPAN * neighbours.count() as u64;
        let count = if scattered { rows_max.min(SCATTERED_ROWS_MAX) } else { rows_max }.max(1);
        match self.rows.iter().nth(count).copied() {
            Some(kept_from) => {
                let kept = self.rows.split_off(&kept_from);
                std::mem::replace(&mut self.rows, kept)
            }
            None => std::mem::take(&mut self.rows),
        }
    }
}

/// Removes rows: neighbours in one pass over their range, scattered ones singly.
pub(super) fn remove_rows(
    entries: &mut Table<'_, u64, &'static [u8]>,
    rows: &BTreeSet<u64>,
) -> Result<(), LogError> {
    let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { return Ok(()) };
    if last - first <= NEIGHBOUR_SPAN * rows.len() as u64 {
        entries.retain_in(first..=last, |sequence, _| !rows.contains(&sequence))?;
        return Ok(());
    }
    for sequence in rows {
        entries.remove(sequence)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_rows_go_first_in_chunks() {
        let mut sweep = Sweep::default();
        (0..10).rev().for_each(|row| sweep.add(row));
        assert_eq!(sweep.take(4), BTreeSet::from([0, 1, 2, 3]));
        assert_eq!(sweep.take(100).len(), 6);
        assert!(sweep.take(100).is_empty());
        assert_eq!(sweep.len(), 0);
    }

    #[test]
    fn scattered_rows_come_in_smaller_chunks() {
        let mut sweep = Sweep::default();
        (0..2_000).for_each(|row| sweep.add(row * 64));
        assert_eq!(sweep.take(1_000).len(), SCATTERED_ROWS_MAX);
        assert_eq!(sweep.take(10).len(), 10);
    }
}

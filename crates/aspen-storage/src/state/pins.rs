//! The revisions that stay readable below the horizon.

use std::collections::BTreeSet;
use std::sync::Arc;

use aspen_core::{LeaseId, Revision};

/// The pins of a group, by revision, each held by a lease. A clone shares them: readers see the
/// pins of the state that they read, at the cost of a pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PinTable {
    pins: Arc<BTreeSet<(Revision, LeaseId)>>,
}

impl FromIterator<(Revision, LeaseId)> for PinTable {
    fn from_iter<I: IntoIterator<Item = (Revision, LeaseId)>>(pins: I) -> Self {
        Self { pins: Arc::new(pins.into_iter().collect()) }
    }
}

impl PinTable {
    /// Every pin, by revision and lease.
    pub fn iter(&self) -> impl Iterator<Item = (Revision, LeaseId)> {
        self.pins.iter().copied()
    }

    /// How many pins there are.
    pub fn len(&self) -> usize {
        self.pins.len()
    }

    /// Whether nothing is pinned.
    pub fn is_empty(&self) -> bool {
        self.pins.is_empty()
    }

    /// Whether a revision is pinned.
    pub fn contains(&self, revision: Revision) -> bool {
        self.any_in(revision, revision.next())
    }

    /// Whether a lease holds a pin of a revision.
    pub fn is_held(&self, revision: Revision, lease: LeaseId) -> bool {
        self.pins.contains(&(revision, lease))
    }

    /// Whether any revision of `[from, until)` is pinned: whether a version that was the newest
    /// from one to the other has a reader.
    pub fn any_in(&self, from: Revision, until: Revision) -> bool {
        let lowest = LeaseId::new(0);
        from < until && self.pins.range((from, lowest)..(until, lowest)).next().is_some()
    }

    /// The lowest revision from which on every change must be known: the horizon, or a pinned
    /// revision below it.
    pub fn floor(&self, horizon: Revision) -> Revision {
        self.pins.first().map_or(horizon, |(revision, _)| horizon.min(*revision))
    }

    /// Adds a pin.
    pub(super) fn pin(&mut self, revision: Revision, lease: LeaseId) {
        Arc::make_mut(&mut self.pins).insert((revision, lease));
    }

    /// Ends the pins of a lease. Answers whether it had any.
    pub(super) fn unpin(&mut self, lease: LeaseId) -> bool {
        let had_any = self.pins.iter().any(|(_, holder)| *holder == lease);
        if had_any {
            Arc::make_mut(&mut self.pins).retain(|(_, holder)| *holder != lease);
        }
        had_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(pins: &[(u64, u64)]) -> PinTable {
        pins.iter().map(|(at, lease)| (Revision::new(*at), LeaseId::new(*lease))).collect()
    }

    fn any_in(table: &PinTable, from: u64, until: u64) -> bool {
        table.any_in(Revision::new(from), Revision::new(until))
    }

    #[test]
    fn a_stretch_holds_a_pin_from_its_first_revision_to_before_its_last() {
        let pins = table(&[(5, 1), (9, u64::MAX)]);
        assert!(any_in(&pins, 5, 6) && any_in(&pins, 2, 6) && any_in(&pins, 9, 10));
        assert!(!any_in(&pins, 2, 5) && !any_in(&pins, 6, 9) && !any_in(&pins, 10, 99));
        assert!(!any_in(&pins, 5, 5) && !any_in(&pins, 7, 3));
        assert!(pins.contains(Revision::new(9)) && !pins.contains(Revision::new(8)));
    }

    #[test]
    fn a_pin_lasts_until_the_last_lease_that_holds_it_ends() {
        let mut pins = table(&[(5, 1), (5, 2), (7, 1)]);
        let before = pins.clone();
        assert_eq!(pins.floor(Revision::new(6)), Revision::new(5));
        assert_eq!(pins.floor(Revision::new(4)), Revision::new(4));
        assert!(pins.unpin(LeaseId::new(1)) && !pins.unpin(LeaseId::new(1)));
        assert_eq!(pins, table(&[(5, 2)]));
        assert!(pins.unpin(LeaseId::new(2)));
        assert_eq!(pins.floor(Revision::new(6)), Revision::new(6));
        assert_eq!(before.len(), 3, "readers keep the pins that they saw");
    }
}

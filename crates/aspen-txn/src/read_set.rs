//! What a transaction has read and that must be unchanged when it commits.

use std::collections::BTreeMap;

use aspen_core::{Key, KeyRange, ReadConflict, Revision};

use crate::range_set::RangeSet;

/// Keys with the `mod_revision` at which they were read, and ranges.
#[derive(Debug, Default)]
pub(crate) struct ReadSet {
    keys: BTreeMap<Key, Revision>,
    ranges: RangeSet,
}

impl ReadSet {
    /// Adds a key; [`Revision::ZERO`] when it was absent.
    pub(crate) fn add_key(&mut self, key: Key, mod_revision: Revision) {
        self.keys.insert(key, mod_revision);
    }

    /// Adds every key of a range, those included that do not exist.
    pub(crate) fn add_range(&mut self, range: KeyRange) {
        self.ranges.insert(range);
    }

    /// The conflicts to check, given the revision of all reads. A key inside a range needs no check
    /// of its own: unchanged since that revision, it has the `mod_revision` that it had.
    pub(crate) fn conflicts(&self, read_revision: Revision) -> Vec<ReadConflict> {
        let keys = self.keys.iter().filter(|(key, _)| !self.ranges.contains(key.as_bytes()));
        let keys =
            keys.map(|(key, expected)| ReadConflict::Key { key: key.clone(), expected: *expected });
        let ranges = self.ranges.iter().map(|range| ReadConflict::Range { range, read_revision });
        keys.chain(ranges).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_a_range_needs_no_check_of_its_own() {
        let key = |text| Key::try_from(text).unwrap();
        let read_revision = Revision::new(9);
        let mut reads = ReadSet::default();
        reads.add_key(key("ab"), Revision::new(3));
        reads.add_key(key("z"), Revision::ZERO);
        reads.add_range(KeyRange::prefix("a"));
        reads.add_range(KeyRange::prefix("b"));
        let range = KeyRange::half_open("a", "c");
        assert_eq!(
            reads.conflicts(read_revision),
            [
                ReadConflict::Key { key: key("z"), expected: Revision::ZERO },
                ReadConflict::Range { range, read_revision },
            ]
        );
    }
}

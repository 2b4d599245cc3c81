//! The same entries in every process, and the state behind each of them.

use aspen_core::Reply;

use crate::state::sqlite::tests::support::{Work, apply_model};
use crate::state::{Entry, MemoryTables, Tables};

/// How many keys the entries are about: few, so that each has a history.
const KEYS: u32 = 50;

/// What a group was told, from its first entry on.
pub(super) struct History {
    entries: Vec<Entry>,
    pub(super) replies: Vec<Vec<Reply>>,
}

impl History {
    /// The history of a seed.
    pub(super) fn new(seed: u64, entries_max: usize) -> Self {
        let mut work = Work::new(seed, KEYS);
        let mut model = MemoryTables::new();
        let (mut entries, mut replies) = (Vec::new(), Vec::new());
        while entries.len() < entries_max {
            let entry = work.entry(model.group().revision);
            replies.push(apply_model(&mut model, &entry));
            entries.push(entry);
        }
        Self { entries, replies }
    }

    /// How many entries there are: the index of the last.
    pub(super) fn end(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The entries after an index, up to another.
    pub(super) fn between(&self, after: u64, upto: u64) -> &[Entry] {
        &self.entries[after as usize..upto as usize]
    }

    /// The state behind an entry.
    pub(super) fn model_at(&self, index: u64) -> MemoryTables {
        let mut model = MemoryTables::new();
        for entry in self.between(0, index) {
            apply_model(&mut model, entry);
        }
        model
    }
}

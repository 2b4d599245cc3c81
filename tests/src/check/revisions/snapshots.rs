//! Reads see one revision's state, whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use aspen_core::Revision;

use super::writers::{Version, Writers};
use crate::check::Violation;
use crate::history::{RangeRead, RevisionHistory, RevisionTransaction, Seen, precedes};

const INVARIANT: &str = "a read sees the state at its revision";

pub(super) fn check(history: &RevisionHistory, writers: &Writers<'_>) -> Result<(), Violation> {
    for reader in &history.transactions {
        let Some(outcome) = reader.outcome.ok() else { continue };
        let end = match reader.writes.is_empty() {
            true => outcome.revision.next(),
            false => outcome.revision,
        };
        let view = View { reader, writers, end };
        outcome.reads.iter().try_for_each(|read| view.check(read))?;
    }
    Ok(())
}

/// What a reader must see: everything of a revision below `end`.
struct View<'h> {
    reader: &'h RevisionTransaction,
    writers: &'h Writers<'h>,
    end: Revision,
}

impl View<'_> {
    fn check(&self, read: &RangeRead) -> Result<(), Violation> {
        let found: BTreeMap<&str, &Seen> =
            read.found.iter().map(|seen| (seen.key.as_str(), seen)).collect();
        if found.len() != read.found.len() {
            return self.violated(format!("saw a key twice in {:?}", read.found));
        }
        let from = (Bound::Included(read.start.as_str()), Bound::Unbounded);
        let written = self.writers.versions.range::<str, _>(from).map(|(key, _)| *key);
        let written = written.take_while(|key| *key < read.end.as_str());
        let keys: BTreeSet<&str> = written.chain(found.keys().copied()).collect();
        keys.into_iter().try_for_each(|key| self.check_key(read, key, found.get(key).copied()))
    }

    fn check_key(&self, read: &RangeRead, key: &str, seen: Option<&Seen>) -> Result<(), Violation> {
        if key < read.start.as_str() || key >= read.end.as_str() {
            return self.violated(format!("saw {key}, outside {:?}..{:?}", read.start, read.end));
        }
        let expected = self.version(key).filter(|(_, version)| version.value.is_some());
        match (seen, expected) {
            (None, None) => Ok(()),
            (Some(seen), Some((revision, _))) if seen.mod_revision == revision => Ok(()),
            (None, Some(_)) if self.may_be_deleted(key) => Ok(()),
            (None, Some((revision, version))) => self.violated(format!(
                "saw no {key}, although revision {revision} wrote it: {}",
                version.writer
            )),
            (Some(seen), _) => self.violated(self.wrong_version(seen)),
        }
    }

    /// The last known version that the reader must see, a delete included.
    fn version(&self, key: &str) -> Option<(Revision, Version<'_>)> {
        let versions = self.writers.versions.get(key)?;
        let (revision, version) = versions.range(..self.end).next_back()?;
        Some((*revision, *version))
    }

    /// Whether a transaction of unknown outcome may have deleted the key unseen.
    fn may_be_deleted(&self, key: &str) -> bool {
        self.writers.unplaced.iter().any(|unknown| {
            unknown.writes.get(key) == Some(&None)
                && !precedes(self.reader.returned, unknown.invoked)
        })
    }

    fn wrong_version(&self, seen: &Seen) -> String {
        let Seen { key, mod_revision, value } = seen;
        let saw = format!("saw {key} = {value} of revision {mod_revision}");
        match self.version(key) {
            Some((revision, version)) if revision > *mod_revision => {
                format!("{saw}, although revision {revision} replaced it: {}", version.writer)
            }
            _ => format!("{saw}, which comes later"),
        }
    }

    fn violated(&self, what: String) -> Result<(), Violation> {
        Err(Violation::new(INVARIANT, format!("{} {what}", self.reader)))
    }
}

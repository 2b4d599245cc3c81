//! Attempts by name, each of which leaves a record of that name when it happens.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

use super::fate::Fate;
use crate::check::Violation;

/// What became of each attempt. One that is begun and not settled may have happened.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<BTreeMap<String, Fate>>);

impl Ledger {
    /// Notes an attempt before it is sent.
    pub(super) fn begin(&self, name: &str) {
        self.0.lock().insert(name.to_owned(), Fate::Unknown);
    }

    /// Notes what became of an attempt.
    pub(super) fn settle(&self, name: &str, fate: Fate) {
        self.0.lock().insert(name.to_owned(), fate);
    }

    /// Judges the records that were found after everything was settled.
    pub(super) fn check(&self, found: &BTreeSet<String>) -> Result<(), Violation> {
        let known = self.0.lock();
        let broken = |what: &str, name: &str| {
            Violation::new(
                "acknowledged writes stay, failed ones never come",
                format!("{what} {name}"),
            )
        };
        for (name, fate) in known.iter() {
            match (fate, found.contains(name)) {
                (Fate::Applied(_), false) => return Err(broken("acknowledged but absent:", name)),
                (Fate::NotApplied, true) => return Err(broken("failed but present:", name)),
                _ => {}
            }
        }
        match found.iter().find(|name| !known.contains_key(*name)) {
            Some(name) => Err(broken("written by nobody:", name)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fate_allows_what_it_says() {
        let ledger = Ledger::default();
        let sure = Fate::Applied(aspen_core::Revision::ZERO);
        for (name, fate) in [("a", sure), ("b", Fate::NotApplied), ("c", Fate::Unknown)] {
            ledger.begin(name);
            ledger.settle(name, fate);
        }
        ledger.begin("d");
        let judged = |found: &[&str]| {
            ledger.check(&found.iter().map(|name| (*name).to_owned()).collect()).is_ok()
        };
        assert!(judged(&["a"]) && judged(&["a", "c", "d"]));
        assert!(!judged(&["c"]), "an acknowledged record is absent");
        assert!(!judged(&["a", "b"]), "a failed record is present");
        assert!(!judged(&["a", "e"]), "nobody wrote it");
    }
}

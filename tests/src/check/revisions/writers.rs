//! Who wrote what at which revision, also where only a reader knows.

use std::collections::BTreeMap;

use aspen_core::Revision;

use crate::check::Violation;
use crate::history::{Outcome, RevisionHistory, RevisionTransaction, Seen};

/// What stood in a key after a revision, and who put it there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version<'h> {
    pub(super) value: Option<u64>,
    pub(super) writer: &'h RevisionTransaction,
}

/// Every transaction that surely took effect, by revision, and what it left in each key.
#[derive(Debug, Default)]
pub(super) struct Writers<'h> {
    pub(super) by_revision: BTreeMap<Revision, &'h RevisionTransaction>,
    pub(super) versions: BTreeMap<&'h str, BTreeMap<Revision, Version<'h>>>,
    /// Transactions that may have taken effect at a revision that nobody saw.
    pub(super) unplaced: Vec<&'h RevisionTransaction>,
}

impl<'h> Writers<'h> {
    pub(super) fn of(history: &'h RevisionHistory) -> Result<Self, Violation> {
        let by_value = by_value(history)?;
        let mut revisions = BTreeMap::new();
        let mut writers = Self::default();
        for transaction in writing(history) {
            if let Outcome::Ok(outcome) = &transaction.outcome {
                revisions.insert(transaction.id, outcome.revision);
                writers.place(outcome.revision, transaction)?;
            }
        }
        for (reader, seen) in sightings(history) {
            let writer = by_value.get(&(seen.key.as_str(), seen.value)).copied();
            let writer = writer.ok_or_else(|| from_nowhere(reader, seen))?;
            let revision = *revisions.entry(writer.id).or_insert(seen.mod_revision);
            if revision != seen.mod_revision || writer.outcome.is_failed() {
                return Err(contradicts(reader, seen, writer, revision));
            }
            let placed = writers.by_revision.get(&revision);
            if placed.is_none_or(|placed| placed.id != writer.id) {
                writers.place(revision, writer)?;
            }
        }
        let unplaced = writing(history).filter(|transaction| transaction.outcome.is_unknown());
        writers.unplaced =
            unplaced.filter(|transaction| !revisions.contains_key(&transaction.id)).collect();
        Ok(writers)
    }

    fn place(
        &mut self,
        revision: Revision,
        transaction: &'h RevisionTransaction,
    ) -> Result<(), Violation> {
        let other = self.by_revision.insert(revision, transaction);
        if other.is_some() || revision == Revision::ZERO {
            let other = other.map_or("nobody's writes".to_owned(), ToString::to_string);
            let detail = format!("revision {revision} is that of {other}, and of {transaction}");
            return Err(Violation::new("every write has its own revision", detail));
        }
        for (key, value) in &transaction.writes {
            let version = Version { value: *value, writer: transaction };
            self.versions.entry(key).or_default().insert(revision, version);
        }
        Ok(())
    }
}

pub(super) fn writing(history: &RevisionHistory) -> impl Iterator<Item = &RevisionTransaction> {
    history.transactions.iter().filter(|transaction| !transaction.writes.is_empty())
}

type ByValue<'h> = BTreeMap<(&'h str, u64), &'h RevisionTransaction>;

fn by_value(history: &RevisionHistory) -> Result<ByValue<'_>, Violation> {
    let mut by_value = ByValue::new();
    for transaction in &history.transactions {
        for (key, value) in &transaction.writes {
            let Some(value) = value else { continue };
            if let Some(other) = by_value.insert((key, *value), transaction) {
                let detail =
                    format!("value {value} is written to {key:?} twice: {other}; {transaction}");
                return Err(Violation::new("well-formed history", detail));
            }
        }
    }
    Ok(by_value)
}

/// Every key that a transaction saw and was told is right.
fn sightings(history: &RevisionHistory) -> impl Iterator<Item = (&RevisionTransaction, &Seen)> {
    history.transactions.iter().flat_map(|reader| {
        let reads = reader.outcome.ok().into_iter().flat_map(|outcome| &outcome.reads);
        reads.flat_map(|read| &read.found).map(move |seen| (reader, seen))
    })
}

fn from_nowhere(reader: &RevisionTransaction, seen: &Seen) -> Violation {
    let detail = format!("{reader} saw {} = {}, which nobody wrote", seen.key, seen.value);
    Violation::new("reads see what was written", detail)
}

fn contradicts(
    reader: &RevisionTransaction,
    seen: &Seen,
    writer: &RevisionTransaction,
    revision: Revision,
) -> Violation {
    let Seen { key, mod_revision, value } = seen;
    let (invariant, known) = match writer.outcome {
        Outcome::Failed => ("failed transactions leave nothing", String::new()),
        _ => ("a write has one revision", format!(", known at revision {revision}")),
    };
    let detail = format!(
        "{reader} saw {key} = {value} of revision {mod_revision}; its writer: {writer}{known}"
    );
    Violation::new(invariant, detail)
}

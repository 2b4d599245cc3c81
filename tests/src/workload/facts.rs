//! What is known of the states that keys went through, from acknowledged writes.

use std::collections::BTreeMap;

use aspen_core::{Key, KeyValue, Revision, Value};
use parking_lot::Mutex;

use super::fate::Fate;
use crate::check::Violation;

/// A key and the value that a write gives it; `None` for a deletion.
pub(super) type Change = (Key, Option<Value>);

/// Names a write that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// Acknowledged states of keys by revision, and changes that may happen. Every write to the keys
/// must go through it.
///
/// A read at revision `r` is judged by the last fact at or below `r`: what was read is that fact,
/// or something that a write of unknown outcome made of the key since.
#[derive(Debug, Default)]
pub(super) struct Facts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// What a key was at a revision.
    states: BTreeMap<Key, BTreeMap<Revision, Option<Value>>>,
    /// Changes that were sent and have surely neither happened nor failed.
    open: BTreeMap<Ticket, Vec<Change>>,
    begun: u64,
    newest: Revision,
}

impl Facts {
    /// Notes a write before it is sent.
    pub(super) fn begin(&self, changes: Vec<Change>) -> Ticket {
        let mut known = self.0.lock();
        let ticket = Ticket(known.begun);
        known.begun += 1;
        known.open.insert(ticket, changes);
        ticket
    }

    /// Notes what became of a write.
    ///
    /// # Errors
    /// Two acknowledged writes gave one key different states at one revision.
    pub(super) fn settle(&self, ticket: Ticket, fate: Fate) -> Result<(), Violation> {
        let mut known = self.0.lock();
        match fate {
            Fate::Unknown => Ok(()),
            Fate::NotApplied => {
                known.open.remove(&ticket);
                Ok(())
            }
            Fate::Applied(revision) => {
                let changes = known.open.remove(&ticket).unwrap_or_default();
                known.newest = known.newest.max(revision);
                changes.into_iter().try_for_each(|change| known.add(revision, change))
            }
        }
    }

    /// The newest revision that was acknowledged.
    pub(super) fn newest(&self) -> Revision {
        self.0.lock().newest
    }

    /// Judges what a read found of a key.
    ///
    /// # Errors
    /// No order of the writes explains it.
    pub(super) fn check(
        &self,
        key: &Key,
        found: Option<&KeyValue>,
        read_at: Revision,
    ) -> Result<(), Violation> {
        let known = self.0.lock();
        match known.explains(key, found, read_at) {
            true => Ok(()),
            false => {
                let last = known.last(key, read_at);
                let detail = format!("at revision {read_at} {key} is {found:?}; known is {last:?}");
                Err(Violation::new("a read at a revision shows the writes up to it", detail))
            }
        }
    }
}

impl Known {
    fn add(&mut self, revision: Revision, (key, value): Change) -> Result<(), Violation> {
        let states = self.states.entry(key.clone()).or_default();
        match states.insert(revision, value.clone()) {
            Some(earlier) if earlier != value => {
                let detail = format!("{key} at revision {revision}: {earlier:?} and {value:?}");
                Err(Violation::new("a key has one state at each revision", detail))
            }
            _ => Ok(()),
        }
    }

    /// The newest fact about a key at or below a revision; absence at 0 when there is none.
    fn last(&self, key: &Key, read_at: Revision) -> (Revision, Option<&Value>) {
        let states = self.states.get(key).into_iter();
        let mut until = states.flat_map(|states| states.range(..=read_at));
        until.next_back().map_or((Revision::ZERO, None), |(at, value)| (*at, value.as_ref()))
    }

    fn explains(&self, key: &Key, found: Option<&KeyValue>, read_at: Revision) -> bool {
        let (last_at, last) = self.last(key, read_at);
        let found_value = found.map(|entry| &entry.value);
        let mut open = self.open.values().flatten().filter(|(changed, _)| changed == key);
        let may_be_open = open.any(|(_, value)| value.as_ref() == found_value);
        match found.map(|entry| entry.mod_revision) {
            // A deletion carries no revision, so one that may have happened explains any absence.
            None => last.is_none() || may_be_open,
            Some(changed_at) if changed_at == last_at => last == found_value,
            Some(changed_at) => changed_at > last_at && may_be_open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key_space::text;
    use super::*;

    fn key() -> Key {
        Key::try_from("k").unwrap()
    }

    fn entry(value: u64, changed_at: u64) -> KeyValue {
        let revision = Revision::new(changed_at);
        KeyValue {
            key: key(),
            value: text(value),
            version: 1,
            create_revision: revision,
            mod_revision: revision,
            lease: None,
        }
    }

    fn written(facts: &Facts, value: Option<u64>, fate: Fate) {
        let ticket = facts.begin(vec![(key(), value.map(text))]);
        facts.settle(ticket, fate).unwrap();
    }

    fn explains(facts: &Facts, found: Option<KeyValue>, read_at: u64) -> bool {
        facts.check(&key(), found.as_ref(), Revision::new(read_at)).is_ok()
    }

    #[test]
    fn a_read_shows_the_last_acknowledged_write_at_its_revision() {
        let facts = Facts::default();
        written(&facts, Some(1), Fate::Applied(Revision::new(3)));
        written(&facts, None, Fate::Applied(Revision::new(5)));
        written(&facts, Some(9), Fate::NotApplied);
        assert!(explains(&facts, None, 2) && explains(&facts, Some(entry(1, 3)), 4));
        assert!(explains(&facts, None, 5));
        assert!(!explains(&facts, None, 3), "an acknowledged write is lost");
        assert!(!explains(&facts, Some(entry(1, 3)), 5), "a deletion is lost");
        assert!(!explains(&facts, Some(entry(9, 6)), 6), "a failed write shows");
        assert!(!explains(&facts, Some(entry(2, 3)), 4), "another value at its revision");
    }

    #[test]
    fn writes_of_unknown_outcome_explain_what_comes_after_the_last_fact() {
        let facts = Facts::default();
        written(&facts, Some(1), Fate::Applied(Revision::new(3)));
        written(&facts, Some(2), Fate::Unknown);
        assert!(explains(&facts, Some(entry(1, 3)), 9) && explains(&facts, Some(entry(2, 7)), 9));
        assert!(!explains(&facts, Some(entry(2, 2)), 9), "it came before the last fact");
        assert!(!explains(&facts, None, 9), "nobody deleted it");
        written(&facts, None, Fate::Unknown);
        assert!(explains(&facts, None, 9));
    }

    #[test]
    fn two_states_at_one_revision_are_a_contradiction() {
        let facts = Facts::default();
        written(&facts, Some(1), Fate::Applied(Revision::new(3)));
        let ticket = facts.begin(vec![(key(), Some(text(2)))]);
        assert!(facts.settle(ticket, Fate::Applied(Revision::new(3))).is_err());
    }
}

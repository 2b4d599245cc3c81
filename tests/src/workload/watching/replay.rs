//! The state that follows from what a watch told.

use std::collections::BTreeMap;

use aspen_core::{Key, KeyValue, Revision, WatchChange, WatchEvent, WatchEvents};

use super::super::snapshot::Snapshot;
use crate::check::Violation;

/// A state that goes along with a watch.
pub(super) struct Replay {
    state: BTreeMap<Key, KeyValue>,
    /// Whether events carry the state before.
    previous: bool,
}

impl Replay {
    /// Begins with what a scan saw.
    pub(super) fn new(snapshot: Snapshot, previous: bool) -> Self {
        let entries = snapshot.entries.into_iter();
        Self { state: entries.map(|entry| (entry.key.clone(), entry)).collect(), previous }
    }

    /// One revision's events: each must fit the state before it.
    pub(super) fn apply(
        &mut self,
        revision: Revision,
        events: WatchEvents,
    ) -> Result<(), Violation> {
        events.into_iter().try_for_each(|event| self.apply_one(revision, event))
    }

    fn apply_one(&mut self, revision: Revision, event: WatchEvent) -> Result<(), Violation> {
        let before = self.state.get(event.key()).cloned();
        let expected = before.as_ref().filter(|_| self.previous);
        // The state before may be compacted; another state it must never be.
        if event.previous.is_some() && event.previous.as_ref() != expected {
            return Err(unfit("the state before", revision, &event, before.as_ref()));
        }
        let fits = match (&event.change, &before) {
            (WatchChange::Put(entry), None) => {
                event.is_create() && entry.version == 1 && entry.mod_revision == revision
            }
            (WatchChange::Put(entry), Some(before)) => {
                // A key removed and set again at one revision begins anew.
                let anew = event.is_create() && entry.version == 1;
                let goes_on = entry.version == before.version + 1
                    && entry.create_revision == before.create_revision;
                entry.mod_revision == revision && (anew || goes_on)
            }
            (WatchChange::Delete { .. }, before) => before.is_some(),
        };
        if !fits {
            return Err(unfit("the change", revision, &event, before.as_ref()));
        }
        match event.change {
            WatchChange::Put(entry) => drop(self.state.insert(entry.key.clone(), entry)),
            WatchChange::Delete { key, .. } => drop(self.state.remove(&key)),
        }
        Ok(())
    }

    /// The state must be what a scan saw.
    pub(super) fn must_be(&self, snapshot: &Snapshot) -> Result<(), Violation> {
        let replayed: Vec<_> = self.state.values().cloned().collect();
        match replayed == snapshot.entries {
            true => Ok(()),
            false => {
                let (at, found) = (snapshot.revision, &snapshot.entries);
                let detail = format!("at {at}: replayed {replayed:?}, found {found:?}");
                Err(Violation::new("what a watch told makes the state", detail))
            }
        }
    }
}

fn unfit(
    what: &str,
    revision: Revision,
    event: &WatchEvent,
    before: Option<&KeyValue>,
) -> Violation {
    let detail = format!("revision {revision}: {what} of {event:?} does not fit {before:?}");
    Violation::new("a watch tells every change once and in order", detail)
}

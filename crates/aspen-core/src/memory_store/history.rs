//! Every change that ever was, and the states that follow from them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Cursor, Key, KeyRange, KeyValue, LeaseId, PIN_COUNT_MAX, Projection, ReadBytes, ReadError,
    ReadReply, Rejection, Revision, ScanOrder, ScanPage, ScanRequest,
};

/// A state: the keys that exist.
pub(super) type State = BTreeMap<Key, KeyValue>;

/// A key that became something at a revision; nothing for a deletion.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) revision: Revision,
    pub(super) key: Key,
    pub(super) became: Option<KeyValue>,
}

/// All changes, oldest first. Nothing is removed: the horizon only says what may not be read.
#[derive(Debug, Default)]
pub(super) struct History {
    changes: Vec<Change>,
    horizon: Revision,
    /// Revisions that may be read below the horizon too, each for a lease.
    pins: BTreeSet<(LeaseId, Revision)>,
}

impl History {
    pub(super) fn revision(&self) -> Revision {
        self.changes.last().map_or(Revision::ZERO, |change| change.revision)
    }

    pub(super) fn horizon(&self) -> Revision {
        self.horizon
    }

    /// Every change, oldest first.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }

    /// The keys that existed at a revision.
    pub(super) fn state_at(&self, revision: Revision) -> State {
        let mut state = State::new();
        for change in self.changes.iter().filter(|change| change.revision <= revision) {
            match &change.became {
                Some(entry) => drop(state.insert(change.key.clone(), entry.clone())),
                None => drop(state.remove(&change.key)),
            }
        }
        state
    }

    /// The lowest key of the range that changed after a revision, and when it last did.
    pub(super) fn changed_after(
        &self,
        range: &KeyRange,
        revision: Revision,
    ) -> Option<(Key, Revision)> {
        let changes = self.changes.iter().filter(|change| change.revision > revision);
        let inside = changes.filter(|change| range.contains(change.key.as_bytes()));
        let last: BTreeMap<_, _> =
            inside.map(|change| (change.key.clone(), change.revision)).collect();
        last.into_iter().next()
    }

    /// Adds the revision that turns one state into another.
    pub(super) fn push(&mut self, revision: Revision, before: &State, after: &State) {
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            self.changes.push(Change { revision, key: key.clone(), became: None });
        }
        for (key, entry) in after.iter().filter(|(_, entry)| entry.mod_revision == revision) {
            self.changes.push(Change { revision, key: key.clone(), became: Some(entry.clone()) });
        }
    }

    pub(super) fn compact(&mut self, requested: Revision) -> Result<Revision, Rejection> {
        let current = self.revision();
        if requested > current {
            return Err(Rejection::FutureRevision { requested, current });
        }
        self.horizon = self.horizon.max(requested);
        Ok(self.horizon)
    }

    /// Keeps a revision readable for a lease that is in force.
    pub(super) fn pin(
        &mut self,
        lease: LeaseId,
        revision: Option<Revision>,
    ) -> Result<Revision, Rejection> {
        let requested = revision.unwrap_or(self.revision());
        match self.readable(Some(requested)) {
            Err(ReadError::Compacted { requested, horizon }) => {
                return Err(Rejection::Compacted { requested, horizon });
            }
            Err(_) => {
                return Err(Rejection::FutureRevision { requested, current: self.revision() });
            }
            Ok(_) => {}
        }
        if self.pins.len() == PIN_COUNT_MAX && !self.pins.contains(&(lease, requested)) {
            return Err(Rejection::TooManyPins { limit: PIN_COUNT_MAX as u64 });
        }
        self.pins.insert((lease, requested));
        Ok(requested)
    }

    /// Ends the pins of a lease.
    pub(super) fn unpin(&mut self, lease: LeaseId) {
        self.pins.retain(|(holder, _)| *holder != lease);
    }

    /// The revisions that are pinned.
    pub(super) fn pinned(&self) -> BTreeSet<Revision> {
        self.pins.iter().map(|(_, revision)| *revision).collect()
    }

    pub(super) fn read(
        &self,
        keys: &[Key],
        requested: Option<Revision>,
    ) -> Result<ReadReply, ReadError> {
        let revision = self.readable(requested)?;
        let state = self.state_at(revision);
        let mut bytes = ReadBytes::default();
        let mut values = Vec::with_capacity(keys.len());
        for found in keys.iter().map(|key| state.get(key)) {
            found.map_or(Ok(()), |entry| bytes.charge(entry))?;
            values.push(found.cloned());
        }
        Ok(ReadReply { revision, values })
    }

    pub(super) fn scan(
        &self,
        request: &ScanRequest,
        requested: Option<Revision>,
    ) -> Result<ScanPage, ReadError> {
        let revision = self.readable(requested)?;
        let mut found: Vec<KeyValue> = self.state_at(revision).into_values().collect();
        found.retain(|entry| request.range.contains(entry.key.as_bytes()));
        if request.order == ScanOrder::Reverse {
            found.reverse();
        }
        if let Some(cursor) = &request.cursor {
            found.retain(|entry| match request.order {
                ScanOrder::Forward => entry.key > cursor.last_key,
                ScanOrder::Reverse => entry.key < cursor.last_key,
            });
        }
        Ok(page(found, request, revision))
    }

    fn readable(&self, requested: Option<Revision>) -> Result<Revision, ReadError> {
        let (horizon, current) = (self.horizon, self.revision());
        match requested.unwrap_or(current) {
            requested if requested < horizon && !self.pinned().contains(&requested) => {
                Err(ReadError::Compacted { requested, horizon })
            }
            requested if requested > current => {
                Err(ReadError::FutureRevision { requested, current })
            }
            requested => Ok(requested),
        }
    }
}

/// Cuts the page off what remains of the scan.
fn page(mut found: Vec<KeyValue>, request: &ScanRequest, revision: Revision) -> ScanPage {
    let total = found.len();
    if request.projection == Projection::CountOnly {
        return ScanPage { revision, entries: Vec::new(), count: total as u64, cursor: None };
    }
    if request.projection == Projection::KeysOnly {
        found.iter_mut().for_each(|entry| entry.value = crate::Value::default());
    }
    let mut bytes = 0;
    let reaches_limit = found.iter().position(|entry| {
        bytes += entry.len_bytes();
        bytes >= request.bytes_max
    });
    let by_bytes = reaches_limit.map_or(total, |position| position + 1);
    found.truncate(by_bytes.min(request.limit as usize));
    let cut = found.len() < total;
    let last = found.last().filter(|_| cut);
    let cursor = last.map(|entry| Cursor::new(revision, entry.key.clone()));
    ScanPage { revision, count: found.len() as u64, entries: found, cursor }
}

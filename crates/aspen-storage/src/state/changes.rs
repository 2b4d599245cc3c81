//! What changed after a position, in the order of revisions: what watches are made of.

use aspen_core::{Key, KeyRange, Revision, WatchChange, WatchEvent, WatchPosition};

use super::{Live, Version};

/// Which changes are wanted, and how many at once.
#[derive(Clone, Debug)]
pub struct ChangesRequest {
    /// The keys.
    pub range: KeyRange,
    /// Changes up to here are known.
    pub after: WatchPosition,
    /// Changes above this revision are not wanted yet.
    pub until: Revision,
    /// How many changes to look at, inside the range or not, before the answer is cut.
    pub visits_max: usize,
    /// How many bytes of keys and values to collect before the answer is cut; one change more is.
    pub bytes_max: usize,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The revision that made it.
    pub revision: Revision,
    /// The key.
    pub key: Key,
    /// What it became; `None` for a deletion.
    pub live: Option<Live>,
}

impl From<Change> for WatchEvent {
    /// The event without the state before.
    fn from(change: Change) -> Self {
        let Change { revision, key, live } = change;
        let version = Version { mod_revision: revision, live };
        let change = match version.to_key_value(&key) {
            Some(entry) => WatchChange::Put(entry),
            None => WatchChange::Delete { key, revision },
        };
        Self { change, previous: None }
    }
}

/// Changes in the order of revisions, and within a revision of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Those inside the range.
    pub changes: Vec<Change>,
    /// Up to where they are complete.
    pub through: WatchPosition,
}

impl Changes {
    /// None, and nothing more to know than before.
    pub(super) fn none(after: WatchPosition) -> Self {
        Self { changes: Vec::new(), through: after }
    }
}

/// Whether a position includes a change.
pub(super) fn includes(position: &WatchPosition, revision: Revision, key: &Key) -> bool {
    match revision.cmp(&position.revision) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        std::cmp::Ordering::Equal => match &position.told {
            aspen_core::Told::All => true,
            aspen_core::Told::Through(last) => key <= last,
        },
    }
}

/// Collects changes up to the limits of a request.
pub(super) struct ChangesBuilder<'a> {
    request: &'a ChangesRequest,
    changes: Vec<Change>,
    through: WatchPosition,
    visits: usize,
    bytes: usize,
}

impl<'a> ChangesBuilder<'a> {
    pub(super) fn new(request: &'a ChangesRequest) -> Self {
        let through = request.after.clone();
        Self { request, changes: Vec::new(), through, visits: 0, bytes: 0 }
    }

    /// Whether the limits leave room for another change.
    pub(super) fn has_room(&self) -> bool {
        self.visits < self.request.visits_max && self.bytes < self.request.bytes_max
    }

    /// Notes the next change; `live` is asked for when the range has the key.
    pub(super) fn visit<E>(
        &mut self,
        revision: Revision,
        key: &Key,
        live: impl FnOnce() -> Result<Option<Live>, E>,
    ) -> Result<(), E> {
        if self.request.range.contains(key.as_bytes()) {
            let live = live()?;
            self.bytes += key.as_bytes().len() + live.as_ref().map_or(0, |live| live.value.len());
            self.changes.push(Change { revision, key: key.clone(), live });
        }
        self.visits += 1;
        self.through = WatchPosition::at(revision, key.clone());
        Ok(())
    }

    /// The answer when the limits cut it.
    pub(super) fn cut(self) -> Changes {
        Changes { changes: self.changes, through: self.through }
    }

    /// The answer when everything up to a revision was visited.
    pub(super) fn complete(self, through: Revision) -> Changes {
        let through = WatchPosition::through(through).max(self.through);
        Changes { changes: self.changes, through }
    }
}

//! Watches of the model: each looks through the list of all changes.

use std::time::Duration;

use async_trait::async_trait;

use super::MemoryStore;
use super::history::History;
use crate::{
    KeyRange, Revision, Watch, WatchBatch, WatchChange, WatchError, WatchEvent, WatchRequest,
    WatchSource, WatchStream, WatchUpdate, runtime,
};

/// How often a watch looks whether a lease has run out.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl MemoryStore {
    /// Every change of a range after a revision, in the order of revisions and keys, with the state
    /// before each.
    ///
    /// # Errors
    /// [`WatchError::Compacted`] when some are gone.
    pub fn changes(
        &self,
        range: &KeyRange,
        after: Revision,
    ) -> Result<Vec<WatchEvent>, WatchError> {
        self.contents.lock().history.events(range, after)
    }
}

impl History {
    fn events(&self, range: &KeyRange, after: Revision) -> Result<Vec<WatchEvent>, WatchError> {
        let horizon = self.horizon();
        if after < horizon {
            let (requested, oldest) = (after.next(), horizon.next());
            return Err(WatchError::Compacted { requested, oldest });
        }
        let wanted = self
            .changes()
            .filter(|change| change.revision > after && range.contains(change.key.as_bytes()));
        let events = wanted.map(|change| {
            let (key, revision) = (change.key.clone(), change.revision);
            let before = Revision::new(revision.get().saturating_sub(1));
            let previous = self.state_at(before).remove(&key).filter(|_| before >= horizon);
            let change = match &change.became {
                Some(entry) => WatchChange::Put(entry.clone()),
                None => WatchChange::Delete { key, revision },
            };
            WatchEvent { change, previous }
        });
        let mut events: Vec<WatchEvent> = events.collect();
        events.sort_by(|a, b| (a.revision(), a.key()).cmp(&(b.revision(), b.key())));
        Ok(events)
    }
}

#[async_trait]
impl Watch for MemoryStore {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream, WatchError> {
        request.validate()?;
        let contents = self.up_to_date();
        let history = &contents.history;
        let after = match request.from {
            Some(from) => Revision::new(from.get() - 1),
            None => history.revision(),
        };
        if after < history.horizon() {
            history.events(&request.range, after)?;
        }
        Ok(WatchStream::new(MemoryWatch { store: self.clone(), request, after }))
    }
}

struct MemoryWatch {
    store: MemoryStore,
    request: WatchRequest,
    /// Everything up to here was told.
    after: Revision,
}

impl MemoryWatch {
    /// The next revision that the watch is told of, or how far nothing happened.
    fn next_update(&mut self) -> Result<Option<WatchUpdate>, WatchError> {
        let contents = self.store.up_to_date();
        let history = &contents.history;
        let mut events = history.events(&self.request.range, self.after)?;
        events.retain(|event| self.request.filter.admits(event.is_delete()));
        let Some(revision) = events.first().map(WatchEvent::revision) else {
            let moved = history.revision() > self.after;
            self.after = self.after.max(history.revision());
            let progress = WatchUpdate::Progress { revision: self.after };
            return Ok(Some(progress).filter(|_| moved && self.request.progress));
        };
        events.retain(|event| event.revision() == revision);
        if !self.request.previous {
            events.iter_mut().for_each(|event| event.previous = None);
        }
        self.after = revision;
        Ok(Some(WatchUpdate::Events { revision, events: events.into() }))
    }
}

#[async_trait]
impl WatchSource for MemoryWatch {
    async fn next_batch(&mut self) -> Result<WatchBatch, WatchError> {
        loop {
            let moved = self.store.moved.clone();
            let moved = moved.notified();
            tokio::pin!(moved);
            // Registered before the look: a change between the look and the wait is not missed.
            moved.as_mut().enable();
            if let Some(update) = self.next_update()? {
                return Ok(update.into());
            }
            // Nobody tells that a lease has run out.
            let _ = runtime::timeout(LOOK_AGAIN, moved).await;
        }
    }
}

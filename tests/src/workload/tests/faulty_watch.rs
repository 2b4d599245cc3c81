//! Watches of a store that may lie about its changes.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    Revision, Watch, WatchBatch, WatchError, WatchRequest, WatchSource, WatchStream, WatchUpdate,
    runtime,
};
use async_trait::async_trait;

use super::Lie;
use super::faulty_store::FaultyStore;

/// How long it takes until a watch looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The watches of a [`FaultyStore`].
pub(super) struct FaultyWatch(pub(super) Arc<FaultyStore>);

#[async_trait]
impl Watch for FaultyWatch {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream, WatchError> {
        let from = request.from.unwrap_or_else(|| self.0.store().revision().next());
        let after = Revision::new(from.get() - 1);
        Ok(WatchStream::new(Source { store: self.0.clone(), request, after }))
    }
}

struct Source {
    store: Arc<FaultyStore>,
    request: WatchRequest,
    after: Revision,
}

impl Source {
    fn look(&mut self) -> Result<Option<WatchUpdate>, WatchError> {
        let store = self.store.store();
        let mut events = store.changes(&self.request.range, self.after)?;
        let Some(revision) = events.first().map(|event| event.revision()) else {
            let moved = store.revision() > self.after;
            self.after = self.after.max(store.revision());
            let progress = WatchUpdate::Progress { revision: self.after };
            return Ok(Some(progress).filter(|_| moved && self.request.progress));
        };
        events.retain(|event| event.revision() == revision);
        if !self.request.previous {
            events.iter_mut().for_each(|event| event.previous = None);
        }
        if !self.store.lies(Lie::RepeatedEvents) {
            self.after = revision;
        }
        if events.len() > 1 && self.store.lies(Lie::TornEvents) {
            events.pop();
        }
        let told = WatchUpdate::Events { revision, events: events.into() };
        Ok(Some(told).filter(|_| !self.store.lies(Lie::SkippedEvents)))
    }
}

#[async_trait]
impl WatchSource for Source {
    async fn next_batch(&mut self) -> Result<WatchBatch, WatchError> {
        loop {
            self.store.pass_time().await;
            match self.look()? {
                Some(update) => return Ok(update.into()),
                None => runtime::sleep(LOOK_AGAIN).await,
            }
        }
    }
}

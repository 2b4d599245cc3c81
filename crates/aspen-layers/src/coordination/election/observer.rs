//! Following who leads.

use std::collections::BTreeMap;

use aspen_core::{
    Key, KeyValue, Revision, ScanRequest, WatchChange, WatchEvents, WatchRequest, WatchStream,
    WatchUpdate,
};
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, try_unfold};

use super::{CANDIDATES, CoordinationError, Leader};
use crate::coordination::space::Space;
use crate::coordination::waiting::look_again;

/// Keeps the candidates in step with a watch, and tells whenever the first one, or what it
/// proclaims, is another.
pub(super) struct Observer {
    space: Space,
    candidates: BTreeMap<Key, KeyValue>,
    /// `None` before the first look, and after a watch has ended.
    changes: Option<WatchStream>,
    /// The last change of a leader that was told.
    told: Revision,
}

impl Observer {
    pub(super) fn new(space: Space) -> Self {
        Self { space, candidates: BTreeMap::new(), changes: None, told: Revision::ZERO }
    }

    pub(super) fn into_stream(self) -> BoxStream<'static, Result<Leader, CoordinationError>> {
        let step = |mut observer: Self| async move {
            let leader = observer.next().await?;
            Ok(Some((leader, observer)))
        };
        try_unfold(self, step).boxed()
    }

    async fn next(&mut self) -> Result<Leader, CoordinationError> {
        loop {
            match &mut self.changes {
                None => self.look().await?,
                Some(changes) => match changes.next().await {
                    Ok(WatchUpdate::Events { events, .. }) => self.follow(events),
                    Ok(WatchUpdate::Progress { .. } | WatchUpdate::Lagging { .. }) => continue,
                    Err(error) => {
                        self.changes = None;
                        look_again(error).await?;
                        continue;
                    }
                },
            }
            if let Some(leader) = self.news() {
                return Ok(leader);
            }
        }
    }

    /// Reads all candidates and begins to watch them.
    async fn look(&mut self) -> Result<(), CoordinationError> {
        let range = self.space.range(&[CANDIDATES]);
        let mut request = ScanRequest::new(range.clone());
        self.candidates.clear();
        let revision = loop {
            let page = self.space.scan(request.clone()).await?;
            self.candidates
                .extend(page.entries.into_iter().map(|entry| (entry.key.clone(), entry)));
            match page.cursor {
                Some(cursor) => request.cursor = Some(cursor),
                None => break page.revision,
            }
        };
        match self
            .space
            .coordinator
            .watch
            .watch(WatchRequest::new(range).from(revision.next()))
            .await
        {
            Ok(stream) => self.changes = Some(stream),
            Err(error) => look_again(error).await?,
        }
        Ok(())
    }

    fn follow(&mut self, events: WatchEvents) {
        for event in events {
            match event.change {
                WatchChange::Put(entry) => drop(self.candidates.insert(entry.key.clone(), entry)),
                WatchChange::Delete { key, .. } => drop(self.candidates.remove(&key)),
            }
        }
    }

    /// The leader, if it was not told yet. Each leader came, and proclaimed, at a revision of its
    /// own.
    fn news(&mut self) -> Option<Leader> {
        let (_, first) = self.candidates.first_key_value()?;
        if first.mod_revision == self.told {
            return None;
        }
        self.told = first.mod_revision;
        Some(Leader::of(first))
    }
}

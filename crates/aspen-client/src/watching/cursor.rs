//! How far one reader has come.

use aspen_core::{Revision, WatchBatch, WatchError, WatchUpdate};

/// A reader's place in the log of its feed.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    /// The number of the slot that it takes next.
    pub(super) next: u64,
    /// Everything up to here was taken; `None` until the store has said where "now" is.
    pub(super) taken: Option<Revision>,
    /// For a reader that wants progress: up to where it knows that it was told everything.
    progress: Option<Option<Revision>>,
}

/// What a reader is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Updates.
    Batch(WatchBatch),
    /// It was too slow: from this revision on it has to be told from history.
    Lagging {
        /// The revision.
        resume: Revision,
    },
    /// The feed has ended, but not for this reader.
    Elsewhere,
    /// The watch has ended.
    Ended(WatchError),
}

impl Cursor {
    /// A reader that wants everything after a revision; `None`: from the present on.
    pub(super) fn new(after: Option<Revision>, wants_progress: bool) -> Self {
        Self { next: 0, taken: after, progress: wants_progress.then_some(after) }
    }

    /// The first revision that it has not taken.
    pub(super) fn resume(&self) -> Revision {
        self.taken.unwrap_or(Revision::ZERO).next()
    }

    /// The part of a batch that it has not taken.
    pub(super) fn news_of(&self, batch: &WatchBatch) -> WatchBatch {
        let is_known = |update: &WatchUpdate| match update {
            WatchUpdate::Events { revision, .. } => Some(*revision) <= self.taken,
            WatchUpdate::Progress { .. } | WatchUpdate::Lagging { .. } => false,
        };
        batch.slice(batch.partition_point(is_known)..batch.len())
    }

    /// It has taken what was told up to a revision.
    pub(super) fn pass(&mut self, revision: Revision) {
        self.taken = self.taken.max(Some(revision));
        if let Some(known) = &mut self.progress {
            *known = (*known).max(Some(revision));
        }
    }

    /// The news of progress for a reader that wants it.
    pub(super) fn progress(&mut self) -> Option<WatchUpdate> {
        let (known, revision) = (self.progress.as_mut()?, self.taken?);
        let is_news = *known < Some(revision);
        *known = Some(revision);
        is_news.then_some(WatchUpdate::Progress { revision })
    }

    /// Whether what ended its feed ends this reader: that earlier changes are gone does not hurt
    /// one that has taken them, or never wanted them.
    pub(super) fn is_hit_by(&self, error: &WatchError) -> bool {
        !matches!(error, WatchError::Compacted { oldest, .. } if self.resume() >= *oldest)
    }
}

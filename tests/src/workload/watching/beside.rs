//! A watch beside another of the same client and the same keys, read in batches and seldom.

use std::time::Duration;

use aspen_core::{Revision, WatchRequest, WatchStream, WatchUpdate, runtime};

use super::super::Context;
use super::ended;
use super::segment::Segment;
use crate::check::Violation;

/// How long it waits for news when it looks.
const GLANCE: Duration = Duration::from_millis(1);

/// The watch, until it ends.
pub(super) struct Beside {
    stream: Option<WatchStream>,
    /// What it told; `None` for one of the present that has told nothing yet.
    segment: Option<Segment>,
}

impl Beside {
    /// Now and then opens a watch like another: from the same revision, or from the present on.
    pub(super) async fn open(context: &Context, request: &WatchRequest) -> Option<Self> {
        let from = match context.random.below(3) {
            0 => return None,
            1 => request.from,
            _ => None,
        };
        let request = WatchRequest { from, ..request.clone() };
        let stream = context.watch.watch(request).await.ok()?;
        let segment = from.map(|from| Segment::after(before(from)));
        Some(Self { stream: Some(stream), segment })
    }

    /// Takes the next batch, if there is one.
    pub(super) async fn look(&mut self) -> Result<(), Violation> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        match runtime::timeout(GLANCE, stream.next_batch()).await {
            Err(_) => Ok(()),
            Ok(Ok(batch)) => batch.into_iter().try_for_each(|update| self.take(update)),
            Ok(Err(error)) => {
                self.stream = None;
                ended(error)
            }
        }
    }

    fn take(&mut self, update: WatchUpdate) -> Result<(), Violation> {
        match update {
            WatchUpdate::Events { revision, events } => {
                let segment = self.segment.get_or_insert_with(|| Segment::after(before(revision)));
                segment.events(revision, &events)
            }
            WatchUpdate::Progress { revision } => {
                self.segment.get_or_insert_with(|| Segment::after(revision)).progress(revision)
            }
            WatchUpdate::Lagging { resume } => match &self.segment {
                Some(segment) => segment.lagging(resume),
                None => Ok(()),
            },
        }
    }

    /// What it told.
    pub(super) fn into_segment(self) -> Option<Segment> {
        self.segment
    }
}

fn before(revision: Revision) -> Revision {
    Revision::new(revision.get().saturating_sub(1))
}

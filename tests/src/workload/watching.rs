//! Invariant: every watch of a range tells every change of it once, in the order of revisions, each
//! revision as a whole; so whoever replays what a watch told has the state that was there.
//!
//! Some clients change the keys, some watch them and keep the state that follows: a change must fit
//! the state before it (version, creation, the state before that the event carries). A watch that
//! ends because its history is compacted begins anew from a scan. What all watches told is
//! compared in the end: two that were told of the same revisions were told the same, an
//! acknowledged write is in every one that covers its revision, and a last watch comes to the state
//! that a scan sees.

mod beside;
mod replay;
mod segment;

use std::collections::BTreeMap;
use std::time::Duration;

use aspen_core::{
    KeyRange, Operation, Revision, WatchError, WatchRequest, WatchStream, WatchUpdate,
    WriteCommand, runtime,
};
use async_trait::async_trait;
use parking_lot::Mutex;

use self::beside::Beside;
use self::replay::Replay;
use self::segment::Segment;
use super::fate::Fate;
use super::key_space::{KeySpace, text};
use super::{Context, Workload};
use crate::check::Violation;

/// How many keys there are.
const KEYS: u64 = 6;

/// How long a client that watches waits for news before it looks whether it shall end.
const LOOK: Duration = Duration::from_millis(500);

/// How long a watch of a store that serves may take to tell what is there.
const TELL_PATIENCE: Duration = Duration::from_secs(120);

/// The keys, and what watches told.
pub(super) struct Watching {
    keys: KeySpace,
    segments: Mutex<Vec<Segment>>,
    /// The revisions of acknowledged writes, with how many keys of the range each changed.
    acknowledged: Mutex<BTreeMap<Revision, usize>>,
}

impl Watching {
    pub(super) fn new(before: &str) -> Self {
        let keys = KeySpace::new(format!("{before}watch"));
        Self { keys, segments: Mutex::default(), acknowledged: Mutex::default() }
    }

    fn range(&self) -> KeyRange {
        self.keys.range("")
    }

    /// Sets and removes some keys at once.
    async fn change(&self, context: &Context) -> Result<(), Violation> {
        let mut operations = BTreeMap::new();
        for _ in 0..=context.random.below(3) {
            let key = self.keys.key(context.random.below(KEYS));
            let operation = match context.random.one_in(4) {
                true => Operation::Delete { key: key.clone() },
                false => Operation::put(key.clone(), text(context.random.next_u64())),
            };
            operations.insert(key, operation);
        }
        let puts = operations.values().filter(|it| matches!(it, Operation::Put { .. })).count();
        let operations = operations.into_values().collect();
        let written = context.write(WriteCommand::Batch { operations }).await?;
        if let Fate::Applied(revision) = written.fate()
            && puts > 0
        {
            self.acknowledged.lock().insert(revision, puts);
        }
        Ok(())
    }

    /// Watches until the run ends.
    async fn follow(&self, context: &Context) -> Result<(), Violation> {
        while !context.stop.is_set() {
            context.think().await;
            let Some(snapshot) = context.scan(aspen_core::ScanRequest::new(self.range())).await?
            else {
                continue;
            };
            let from = snapshot.revision.next();
            let request = WatchRequest {
                previous: context.random.one_in(2),
                progress: context.random.one_in(2),
                ..WatchRequest::new(self.range()).from(from)
            };
            let previous = request.previous;
            let mut beside = Beside::open(context, &request).await;
            let Ok(mut stream) = context.watch.watch(request).await else { continue };
            let mut segment = Segment::after(snapshot.revision);
            let mut replay = Replay::new(snapshot, previous);
            let stop_early = context.random.one_in(3);
            while !context.stop.is_set() {
                match runtime::timeout(LOOK, stream.next()).await {
                    Err(_) => {}
                    Ok(Ok(update)) => take(update, &mut segment, &mut replay)?,
                    Ok(Err(error)) => {
                        ended(error)?;
                        break;
                    }
                }
                // A reader that goes away and comes back later, or not at all.
                if stop_early && context.random.one_in(40) {
                    break;
                }
                if context.random.one_in(20) {
                    context.think().await;
                }
                if let Some(beside) = &mut beside
                    && context.random.one_in(3)
                {
                    beside.look().await?;
                }
            }
            self.segments.lock().push(segment);
            self.segments.lock().extend(beside.and_then(Beside::into_segment));
        }
        Ok(())
    }

    /// Watches from the present until everything up to a revision was told.
    async fn follow_until(
        &self,
        stream: &mut WatchStream,
        until: Revision,
        segment: &mut Segment,
        replay: &mut Replay,
    ) -> Result<(), Violation> {
        let told = runtime::timeout(TELL_PATIENCE, async {
            while segment.through() < until {
                match stream.next().await {
                    Ok(update) => take(update, segment, replay)?,
                    Err(error) => {
                        let detail = format!("{error}");
                        return Err(Violation::new("a watch of the present goes on", detail));
                    }
                }
            }
            Ok(())
        });
        told.await.unwrap_or_else(|_| {
            let detail = format!("told until {}, not until {until}", segment.through());
            Err(Violation::new("a watch tells what is there", detail))
        })
    }
}

/// Takes what a watch told.
fn take(update: WatchUpdate, segment: &mut Segment, replay: &mut Replay) -> Result<(), Violation> {
    match update {
        WatchUpdate::Events { revision, events } => {
            segment.events(revision, &events)?;
            replay.apply(revision, events)
        }
        WatchUpdate::Progress { revision } => segment.progress(revision),
        WatchUpdate::Lagging { resume } => segment.lagging(resume),
    }
}

/// Judges why a watch ended.
fn ended(error: WatchError) -> Result<(), Violation> {
    match error {
        WatchError::Compacted { .. } | WatchError::Closed(_) | WatchError::Unavailable(_) => Ok(()),
        other => Err(Violation::new("well-formed watches are served", other.to_string())),
    }
}

#[async_trait]
impl Workload for Watching {
    fn name(&self) -> &'static str {
        "watch"
    }

    async fn prepare(&self, _: &Context) -> Result<(), Violation> {
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        if context.client.0 % 2 == 1 {
            return self.follow(&context).await;
        }
        while !context.stop.is_set() {
            context.think().await;
            self.change(&context).await?;
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        let before = context.surely_scan(self.range()).await?;
        let request = WatchRequest::new(self.range()).from(before.revision.next());
        let watched = context.watch.watch(request.with_progress()).await;
        let mut stream = watched.map_err(|error| {
            Violation::new("a cluster without faults serves", error.to_string())
        })?;
        let mut segment = Segment::after(before.revision);
        let mut replay = Replay::new(before, false);
        for number in 0..KEYS {
            let put = Operation::put(self.keys.key(number), text("last"));
            let until = context.surely_write(WriteCommand::Batch { operations: vec![put] }).await?;
            self.follow_until(&mut stream, until, &mut segment, &mut replay).await?;
        }
        let after = context.surely_scan(self.range()).await?;
        self.follow_until(&mut stream, after.revision, &mut segment, &mut replay).await?;
        replay.must_be(&after)?;
        let mut segments = self.segments.lock().clone();
        segments.push(segment);
        segment::must_agree(&segments)?;
        segment::must_hold(&segments, &self.acknowledged.lock())
    }
}

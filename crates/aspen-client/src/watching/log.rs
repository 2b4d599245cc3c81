//! What a feed told and some of its readers have still to take.
//!
//! ```text
//! begun ≤ floor ≤ told         floor: everything up to here was dropped or taken by all
//!          (floor, told]       is in the slots, each the changes of one answer
//! ```
//!
//! A reader is a place between the slots. Each slot counts who is about to take it, so that one
//! that nobody waits for is freed, and one that only slow readers wait for can be dropped.

use std::collections::VecDeque;

use aspen_core::{Revision, WatchBatch, WatchError, WatchEvent, WatchUpdate};

use super::cursor::{Cursor, Taken};

/// How much waits for the readers of a feed, in bytes of keys and values and
/// [`EVENT_OVERHEAD_BYTES`] for each event, beside the last answer. Readers that are this far
/// behind are told that they lag, and get the rest from history when they come. More rides out
/// longer pauses of readers; less bounds what many feeds with slow ones cost.
pub(super) const LOG_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What an event takes beside its key and value, roughly.
pub(super) const EVENT_OVERHEAD_BYTES: usize = 256;

/// The changes that one answer brought.
#[derive(Debug)]
struct Slot {
    batch: WatchBatch,
    bytes: usize,
    /// The last revision in it.
    last: Revision,
    /// How many readers take it next.
    waiting: usize,
}

/// The changes of one feed.
#[derive(Debug, Default)]
pub(super) struct Log {
    slots: VecDeque<Slot>,
    /// The number of the first slot.
    first: u64,
    bytes: usize,
    /// Events of a revision whose rest has not come yet.
    partial: Vec<WatchEvent>,
    /// Where the feed began; `None` until the store has said where "now" is.
    begun: Option<Revision>,
    floor: Option<Revision>,
    told: Option<Revision>,
    /// Whether it is told what happens as it happens, and not of the past.
    is_live: bool,
    /// Readers whose next slot has not been dropped.
    readers: usize,
    /// Those of them that have taken every slot.
    at_end: usize,
    /// All its readers were too slow: nothing more comes.
    is_retired: bool,
    end: Option<WatchError>,
}

/// What it meant for a log that everything up to a revision has come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Completed {
    /// How many readers have something new to take.
    pub(super) woken: usize,
    /// Part of a revision waits for the rest of it.
    pub(super) is_unfinished: bool,
    /// All readers were too slow; the feed ends here.
    pub(super) is_retired: bool,
}

impl Log {
    /// The log of a feed that begins after a revision.
    pub(super) fn new(after: Option<Revision>) -> Self {
        Self { begun: after, floor: after, told: after, ..Self::default() }
    }

    /// Where the feed began; `None` while that is open.
    pub(super) fn begun(&self) -> Option<Result<Revision, WatchError>> {
        match (&self.end, self.begun) {
            (Some(error), _) => Some(Err(error.clone())),
            (None, begun) => begun.map(Ok),
        }
    }

    /// The revision up to which all was told, for whoever goes on with the feed elsewhere. What
    /// came of a later revision comes again.
    pub(super) fn rewind(&mut self) -> Option<Revision> {
        self.partial.clear();
        self.is_live = false;
        self.told
    }

    /// Whether the feed is told of the present from now on.
    pub(super) fn set_live(&mut self, is_live: bool) {
        self.is_live = is_live;
    }

    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }

    pub(super) fn has_readers(&self) -> bool {
        self.readers > 0
    }

    /// Everything up to a revision is known to have nothing for this feed, or was pushed.
    pub(super) fn advance(&mut self, revision: Revision) {
        if !self.is_shut() && self.told.is_some() && self.partial.is_empty() {
            self.told = self.told.max(Some(revision));
        }
    }

    /// Whether it takes no events.
    fn is_shut(&self) -> bool {
        self.is_retired || self.end.is_some()
    }

    /// Another event, in the order of revisions.
    pub(super) fn push(&mut self, event: WatchEvent) {
        if !self.is_shut() {
            self.partial.push(event);
        }
    }

    /// Everything up to a revision has come.
    pub(super) fn complete(&mut self, revision: Revision, tells_progress: bool) -> Completed {
        if self.is_shut() {
            return Completed::default();
        }
        let whole = self.partial.partition_point(|event| event.revision() <= revision);
        let rest = self.partial.split_off(whole);
        let whole = std::mem::replace(&mut self.partial, rest);
        if !whole.is_empty() && !self.make_room() {
            self.is_retired = true;
            self.partial.clear();
            return Completed { woken: self.readers, is_retired: true, is_unfinished: false };
        }
        let before = whole.first().map(|event| event.revision().get().saturating_sub(1));
        self.begin(before.map_or(revision, Revision::new));
        let moves = self.told < Some(revision);
        self.told = self.told.max(Some(revision));
        let woken = if !whole.is_empty() || (moves && tells_progress) { self.at_end } else { 0 };
        self.append(whole);
        Completed { woken, is_unfinished: !self.partial.is_empty(), is_retired: false }
    }

    /// The store has said where the feed begins.
    fn begin(&mut self, after: Revision) {
        if self.begun.is_none() {
            (self.begun, self.floor, self.told) = (Some(after), Some(after), Some(after));
        }
    }

    /// Drops what only the slowest readers wait for until there is room. Answers whether there is:
    /// there is none when all readers are equally slow.
    fn make_room(&mut self) -> bool {
        while self.bytes >= LOG_BYTES_MAX {
            if self.slots.front().is_none_or(|slot| slot.waiting == self.readers) {
                return false;
            }
            self.drop_first();
        }
        true
    }

    fn append(&mut self, events: Vec<WatchEvent>) {
        let Some(last) = events.last().map(WatchEvent::revision) else { return };
        let size = |event: &WatchEvent| event.len_bytes() + EVENT_OVERHEAD_BYTES;
        let bytes = events.iter().map(size).sum();
        let waiting = std::mem::take(&mut self.at_end);
        self.slots.push_back(Slot { batch: batch_of(events), bytes, last, waiting });
        self.bytes += bytes;
        self.free_taken();
    }

    fn drop_first(&mut self) {
        let Some(slot) = self.slots.pop_front() else { return };
        self.first += 1;
        self.bytes -= slot.bytes;
        self.readers -= slot.waiting;
        self.floor = Some(slot.last);
    }

    /// Frees the slots that all readers have taken.
    fn free_taken(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.waiting == 0) {
            self.drop_first();
        }
    }

    /// The feed has ended; what waits can still be taken.
    pub(super) fn end(&mut self, error: WatchError) {
        self.end.get_or_insert(error);
    }

    /// Adds a reader if it can be told everything that it has not taken. One that has no place yet
    /// begins where the feed does, which must not have been asked for.
    pub(super) fn attach(&mut self, cursor: &mut Cursor) -> bool {
        let fits = match (cursor.taken, self.told) {
            (None, told) => told.is_none(),
            (taken, Some(told)) => self.floor <= taken && (self.is_live || Some(told) >= taken),
            (Some(_), None) => false,
        };
        if self.is_shut() || !fits {
            return false;
        }
        let place = self.slots.partition_point(|slot| Some(slot.last) <= cursor.taken);
        cursor.next = self.first + place as u64;
        self.readers += 1;
        *self.count_at(cursor.next) += 1;
        true
    }

    /// Takes a reader away.
    pub(super) fn detach(&mut self, cursor: &Cursor) {
        if !self.has_lost(cursor) {
            self.readers -= 1;
            *self.count_at(cursor.next) -= 1;
            self.free_taken();
        }
    }

    /// Whether what the reader is to take next was dropped.
    fn has_lost(&self, cursor: &Cursor) -> bool {
        cursor.next < self.first
    }

    /// The place of a slot by its number.
    fn place(&self, number: u64) -> usize {
        usize::try_from(number - self.first).unwrap_or(usize::MAX)
    }

    /// How many readers are at a place.
    fn count_at(&mut self, number: u64) -> &mut usize {
        let place = self.place(number);
        match self.slots.get_mut(place) {
            Some(slot) => &mut slot.waiting,
            None => &mut self.at_end,
        }
    }

    /// What a reader is told next; `None` to wait.
    pub(super) fn take(&mut self, cursor: &mut Cursor) -> Option<Taken> {
        cursor.taken = cursor.taken.max(self.begun);
        loop {
            if self.has_lost(cursor) {
                return Some(Taken::Lagging { resume: cursor.resume() });
            }
            let Some(slot) = self.slots.get(self.place(cursor.next)) else {
                return self.take_at_end(cursor);
            };
            let batch = cursor.news_of(&slot.batch);
            cursor.pass(slot.last);
            *self.count_at(cursor.next) -= 1;
            cursor.next += 1;
            *self.count_at(cursor.next) += 1;
            self.free_taken();
            if !batch.is_empty() {
                return Some(Taken::Batch(batch));
            }
        }
    }

    fn take_at_end(&mut self, cursor: &mut Cursor) -> Option<Taken> {
        cursor.taken = cursor.taken.max(self.told);
        if let Some(progress) = cursor.progress() {
            return Some(Taken::Batch(progress.into()));
        }
        match &self.end {
            Some(error) if cursor.is_hit_by(error) => Some(Taken::Ended(error.clone())),
            Some(_) => Some(Taken::Elsewhere),
            None if self.is_retired => Some(Taken::Lagging { resume: cursor.resume() }),
            None => None,
        }
    }

    /// Notes how far a reader has come that has taken everything.
    pub(super) fn settle(&self, cursor: &mut Cursor) {
        cursor.taken = cursor.taken.max(self.begun);
        if !self.has_lost(cursor) && self.place(cursor.next) >= self.slots.len() {
            cursor.taken = cursor.taken.max(self.told);
        }
    }
}

/// The updates that tell of events, which they share.
fn batch_of(events: Vec<WatchEvent>) -> WatchBatch {
    let all = aspen_core::WatchEvents::from(events);
    let mut start = 0;
    let updates = all.chunk_by(|a, b| a.revision() == b.revision()).map(|chunk| {
        let places = start..start + chunk.len();
        start = places.end;
        WatchUpdate::Events { revision: chunk[0].revision(), events: all.slice(places) }
    });
    updates.collect()
}

#[cfg(test)]
mod tests;

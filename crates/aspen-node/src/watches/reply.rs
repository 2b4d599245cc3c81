//! An answer while it is put together.

use std::collections::BTreeMap;

use aspen_core::{
    WatchError, WatchEvent, WatchId, WatchPosition, WatchProgress, WatchReply, WatchSet,
    WatchedEvent,
};

/// When an answer has collected this many bytes it is sent; the rest comes with the next poll.
pub(super) const REPLY_BYTES: usize = 1024 * 1024;

/// When an answer has looked at this many changes it is sent.
pub(super) const REPLY_VISITS: usize = 4096;

/// The parts of an answer.
#[derive(Default)]
pub(super) struct ReplyBuilder {
    sets: BTreeMap<WatchSet, u32>,
    events: Vec<WatchedEvent>,
    /// Places in `events` whose state before is wanted.
    pub(super) wants_previous: Vec<usize>,
    alone: Vec<WatchProgress>,
    ended: Vec<(WatchId, WatchError)>,
    bytes: usize,
}

impl ReplyBuilder {
    /// Whether nothing is to be told.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.alone.is_empty() && self.ended.is_empty()
    }

    /// How many bytes more it takes.
    pub(super) fn room_bytes(&self) -> usize {
        REPLY_BYTES.saturating_sub(self.bytes)
    }

    /// Adds an event for some watches.
    pub(super) fn tell(&mut self, watches: Vec<WatchId>, event: WatchEvent, with_previous: bool) {
        let sets = self.sets.len() as u32;
        let set = *self.sets.entry(WatchSet(watches)).or_insert(sets);
        self.bytes += event.len_bytes();
        if with_previous {
            self.wants_previous.push(self.events.len());
        }
        self.events.push(WatchedEvent { set, event });
    }

    /// Says how far a watch by itself has come.
    pub(super) fn progress(&mut self, id: WatchId, position: WatchPosition, joins: bool) {
        self.alone.push(WatchProgress { id, position, joins });
    }

    /// Ends a watch.
    pub(super) fn end(&mut self, id: WatchId, error: WatchError) {
        self.ended.push((id, error));
    }

    /// An event told.
    pub(super) fn event_mut(&mut self, place: usize) -> &mut WatchEvent {
        &mut self.events[place].event
    }

    /// The answer.
    pub(super) fn finish(self, through: WatchPosition) -> WatchReply {
        let mut sets = vec![WatchSet::default(); self.sets.len()];
        for (set, place) in self.sets {
            sets[place as usize] = set;
        }
        let Self { events, alone, ended, .. } = self;
        WatchReply { sets, events, alone, through, ended }
    }
}

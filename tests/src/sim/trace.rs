//! What happened, in order: a digest of all of it and the last events in words.
//!
//! Two runs of one seed must have the same digest. Events are kept as numbers and put into words
//! only when someone reads them, so that recording one costs some nanoseconds.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use madsim::time::TimeHandle;

/// How many frequent events the tail holds: a second or so of a busy cluster.
const TAIL_EVENTS_MAX: usize = 2_000;

/// How many rare events are kept.
const NOTES_MAX: usize = 10_000;

/// Something that happened.
#[derive(Clone, Debug, Hash)]
struct Event {
    /// Simulated time.
    at_ns: u64,
    what: &'static str,
    numbers: [u64; 4],
    /// For rare events only.
    text: Option<String>,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.at_ns / 1_000_000_000, self.at_ns / 1_000 % 1_000_000);
        write!(f, "{seconds:>3}.{micros:06} {}", self.what)?;
        match &self.text {
            Some(text) => write!(f, " {text}"),
            None => write!(f, " {:?}", self.numbers),
        }
    }
}

struct Trace {
    hasher: DefaultHasher,
    events: u64,
    /// The last frequent events, each with its number.
    tail: VecDeque<(u64, Event)>,
    tail_max: usize,
    /// The rare events, each with its number.
    notes: Vec<(u64, Event)>,
}

thread_local! {
    static TRACE: RefCell<Trace> = RefCell::new(Trace::new(TAIL_EVENTS_MAX));
}

impl Trace {
    fn new(tail_max: usize) -> Self {
        let (tail, notes) = (VecDeque::new(), Vec::new());
        Self { hasher: DefaultHasher::new(), events: 0, tail, tail_max, notes }
    }

    fn add(&mut self, event: Event) {
        event.hash(&mut self.hasher);
        self.events += 1;
        if event.text.is_some() {
            if self.notes.len() < NOTES_MAX {
                self.notes.push((self.events, event));
            }
            return;
        }
        if self.tail.len() == self.tail_max {
            self.tail.pop_front();
        }
        self.tail.push_back((self.events, event));
    }

    fn lines(&self) -> Vec<String> {
        let mut events: Vec<&(u64, Event)> = self.notes.iter().chain(&self.tail).collect();
        events.sort_by_key(|(number, _)| *number);
        events.into_iter().map(|(_, event)| event.to_string()).collect()
    }
}

/// Keeps every event of this thread's run instead of the last ones.
pub(crate) fn keep_all() {
    TRACE.set(Trace::new(usize::MAX));
}

/// Records a frequent event.
pub(crate) fn record(what: &'static str, numbers: [u64; 4]) {
    add(what, numbers, None);
}

/// Records a rare event.
pub(crate) fn note(what: &'static str, text: impl Into<String>) {
    add(what, [0; 4], Some(text.into()));
}

fn add(what: &'static str, numbers: [u64; 4], text: Option<String>) {
    let at_ns = TimeHandle::try_current().map_or(0, |time| time.elapsed().as_nanos() as u64);
    TRACE.with_borrow_mut(|trace| trace.add(Event { at_ns, what, numbers, text }));
}

/// A digest of everything so far, and how many events that is.
pub(crate) fn digest() -> (u64, u64) {
    TRACE.with_borrow(|trace| (trace.hasher.finish(), trace.events))
}

/// The rare events and the last ones of the others, a line each.
pub(crate) fn tail() -> Vec<String> {
    TRACE.with_borrow(Trace::lines)
}

/// A short digest of bytes, for events.
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_depends_on_every_event_and_their_order() {
        let digest_of = |events: &[(&'static str, u64)]| {
            keep_all();
            events.iter().for_each(|(what, number)| record(what, [*number, 0, 0, 0]));
            digest()
        };
        let both = digest_of(&[("a", 1), ("b", 2)]);
        assert_eq!(both, digest_of(&[("a", 1), ("b", 2)]));
        assert_ne!(both, digest_of(&[("b", 2), ("a", 1)]));
        assert_ne!(both, digest_of(&[("a", 1), ("b", 3)]));
        assert_ne!(both, digest_of(&[("a", 1)]));
    }
}

//! What waits for the reader of one watch.

use std::collections::VecDeque;

use aspen_core::{Revision, WatchError, WatchEvent, WatchUpdate};

/// How many updates wait for a reader, and how many bytes of keys and values they hold: one that is
/// this far behind is told that it lags, and gets the rest from history when it comes. More rides
/// out longer pauses of the reader; less bounds what many slow ones cost.
const WAITING_UPDATES_MAX: usize = 1024;
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The updates that wait, and how far the watch has come.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    waiting: VecDeque<WatchUpdate>,
    waiting_bytes: usize,
    /// Events of a revision whose rest has not come yet.
    partial: Vec<WatchEvent>,
    /// Everything up to here waits or was taken; `None` until the store has said where "now" is.
    told: Option<Revision>,
    /// Updates were dropped; those after `told` come again when the reader is back.
    lagging: bool,
    end: Option<WatchError>,
}

impl Mailbox {
    /// A mailbox of a watch that begins after a revision.
    pub(super) fn new(after: Option<Revision>) -> Self {
        Self { told: after, ..Self::default() }
    }

    /// Where the watch began; `None` while that is open.
    pub(super) fn begun(&self) -> Option<Result<Revision, WatchError>> {
        match (&self.end, self.told) {
            (Some(error), _) => Some(Err(error.clone())),
            (None, told) => told.map(Ok),
        }
    }

    /// The revision up to which all is told, for whoever goes on with the watch elsewhere. What
    /// came of a later revision comes again.
    pub(super) fn rewind(&mut self) -> Option<Revision> {
        self.partial.clear();
        self.told
    }

    /// Everything up to a revision is known to have nothing for this watch, or was pushed.
    pub(super) fn advance(&mut self, revision: Revision) {
        if !self.is_shut() && self.partial.is_empty() {
            self.told = self.told.max(Some(revision));
        }
    }

    /// Whether part of a revision waits for the rest of it.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Whether it takes no updates now.
    pub(super) fn is_shut(&self) -> bool {
        self.lagging || self.end.is_some()
    }

    /// Another event, in the order of revisions.
    pub(super) fn push(&mut self, event: WatchEvent) {
        if !self.is_shut() {
            self.partial.push(event);
        }
    }

    /// Everything up to a revision has come. Answers whether the reader has become too slow.
    pub(super) fn complete(&mut self, revision: Revision, tell_progress: bool) -> bool {
        if self.is_shut() {
            return false;
        }
        let known = self.told;
        let whole = self.partial.partition_point(|event| event.revision() <= revision);
        let rest = self.partial.split_off(whole);
        let whole = std::mem::replace(&mut self.partial, rest);
        for events in whole.chunk_by(|a, b| a.revision() == b.revision()) {
            let at = events[0].revision();
            if self.is_full() {
                self.lagging = true;
                self.partial.clear();
                return true;
            }
            self.waiting_bytes += events.iter().map(WatchEvent::len_bytes).sum::<usize>();
            self.waiting.push_back(WatchUpdate::Events { revision: at, events: events.to_vec() });
            self.told = Some(at);
        }
        self.told = self.told.max(Some(revision));
        if tell_progress && self.told > known {
            self.tell_progress(revision);
        }
        false
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_UPDATES_MAX || self.waiting_bytes >= WAITING_BYTES_MAX
    }

    /// The latest news of progress replaces the one before, if that is still waiting.
    fn tell_progress(&mut self, revision: Revision) {
        match self.waiting.back_mut() {
            Some(WatchUpdate::Progress { revision: waiting }) => *waiting = revision,
            _ => self.waiting.push_back(WatchUpdate::Progress { revision }),
        }
    }

    /// The watch has ended; what waits can still be taken.
    pub(super) fn end(&mut self, error: WatchError) {
        self.end.get_or_insert(error);
    }

    /// The next update; `None` to wait.
    pub(super) fn take(&mut self) -> Option<Result<WatchUpdate, WatchError>> {
        if let Some(update) = self.waiting.pop_front() {
            if let WatchUpdate::Events { events, .. } = &update {
                self.waiting_bytes -= events.iter().map(WatchEvent::len_bytes).sum::<usize>();
            }
            return Some(Ok(update));
        }
        if std::mem::take(&mut self.lagging) {
            let resume = self.told.unwrap_or(Revision::ZERO).next();
            return Some(Ok(WatchUpdate::Lagging { resume }));
        }
        self.end.clone().map(Err)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aspen_core::{Key, WatchChange};

    use super::*;

    fn event(revision: u64, key: &str) -> WatchEvent {
        let (key, revision) = (Key::try_from(key).unwrap(), Revision::new(revision));
        WatchEvent { change: WatchChange::Delete { key, revision }, previous: None }
    }

    fn revision(update: Option<Result<WatchUpdate, WatchError>>) -> u64 {
        match update.unwrap().unwrap() {
            WatchUpdate::Events { revision, .. } => revision.get(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_revision_is_told_when_all_of_it_has_come() {
        let mut mailbox = Mailbox::new(Some(Revision::new(4)));
        mailbox.push(event(5, "a"));
        mailbox.push(event(6, "a"));
        mailbox.complete(Revision::new(5), false);
        assert_eq!(revision(mailbox.take()), 5);
        assert!(mailbox.take().is_none(), "the rest of 6 may still come");
        mailbox.push(event(6, "b"));
        mailbox.complete(Revision::new(6), false);
        let update = mailbox.take().unwrap().unwrap();
        assert!(matches!(update, WatchUpdate::Events { events, .. } if events.len() == 2));
    }

    #[test]
    fn what_came_of_an_unfinished_revision_comes_again_elsewhere() {
        let mut mailbox = Mailbox::new(Some(Revision::new(4)));
        mailbox.push(event(5, "a"));
        assert_eq!(mailbox.rewind(), Some(Revision::new(4)));
        mailbox.push(event(5, "a"));
        mailbox.complete(Revision::new(5), false);
        let update = mailbox.take().unwrap().unwrap();
        assert!(matches!(update, WatchUpdate::Events { events, .. } if events.len() == 1));
    }

    #[test]
    fn a_slow_reader_lags_and_resumes_where_its_updates_end() {
        let mut mailbox = Mailbox::new(Some(Revision::ZERO));
        let mut number = 0;
        loop {
            number += 1;
            mailbox.push(event(number, "k"));
            if mailbox.complete(Revision::new(number), false) {
                break;
            }
        }
        assert_eq!(number as usize, WAITING_UPDATES_MAX + 1);
        mailbox.push(event(number + 1, "k"));
        for expected in 1..number {
            assert_eq!(revision(mailbox.take()), expected);
        }
        let resume = Revision::new(number);
        assert_eq!(mailbox.take(), Some(Ok(WatchUpdate::Lagging { resume })));
        assert!(mailbox.take().is_none());
        assert_eq!(mailbox.rewind(), Some(Revision::new(number - 1)));
    }

    #[test]
    fn progress_is_told_once_and_only_when_it_was_made() {
        let mut mailbox = Mailbox::new(Some(Revision::new(4)));
        mailbox.complete(Revision::new(4), true);
        assert!(mailbox.take().is_none());
        mailbox.complete(Revision::new(7), true);
        mailbox.complete(Revision::new(9), true);
        let revision = Revision::new(9);
        assert_eq!(mailbox.take(), Some(Ok(WatchUpdate::Progress { revision })));
        assert!(mailbox.take().is_none());
    }
}

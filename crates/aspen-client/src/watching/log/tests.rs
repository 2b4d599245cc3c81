#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{Key, KeyValue, Value, WatchChange};

use super::*;

fn event(revision: u64, key: &str) -> WatchEvent {
    let (key, revision) = (Key::try_from(key).unwrap(), Revision::new(revision));
    WatchEvent { change: WatchChange::Delete { key, revision }, previous: None }
}

/// An event of a fifth of a log.
fn large(revision: u64) -> WatchEvent {
    let (key, revision) = (Key::try_from("k").unwrap(), Revision::new(revision));
    let value = Value::new(vec![0; LOG_BYTES_MAX / 5]).unwrap();
    let (create_revision, mod_revision) = (revision, revision);
    let entry = KeyValue { key, value, version: 1, create_revision, mod_revision, lease: None };
    WatchEvent { change: WatchChange::Put(entry), previous: None }
}

fn reader(log: &mut Log, taken: u64) -> Cursor {
    let mut cursor = Cursor::new(Some(Revision::new(taken)), false);
    assert!(log.attach(&mut cursor), "it has everything after {taken}");
    cursor
}

fn log_after(revision: u64) -> Log {
    Log::new(Some(Revision::new(revision)))
}

/// Tells an event by itself.
fn tell(log: &mut Log, event: WatchEvent) -> Completed {
    let revision = event.revision();
    log.push(event);
    log.complete(revision, false)
}

/// The revisions that a reader is told until it waits.
fn revisions(log: &mut Log, cursor: &mut Cursor) -> Vec<u64> {
    let mut told = Vec::new();
    while let Some(Taken::Batch(batch)) = log.take(cursor) {
        told.extend(batch.iter().map(|update| match update {
            WatchUpdate::Events { revision, .. } => revision.get(),
            other => panic!("{other:?}"),
        }));
    }
    told
}

fn taken_progress(log: &mut Log, cursor: &mut Cursor) -> Option<u64> {
    match log.take(cursor)? {
        Taken::Batch(batch) => match &batch[..] {
            [WatchUpdate::Progress { revision }] => Some(revision.get()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn lagging(resume: u64) -> Option<Taken> {
    Some(Taken::Lagging { resume: Revision::new(resume) })
}

#[test]
fn a_revision_is_told_when_all_of_it_has_come() {
    let mut log = log_after(4);
    let mut cursor = reader(&mut log, 4);
    log.push(event(5, "a"));
    log.push(event(6, "a"));
    assert!(log.complete(Revision::new(5), false).is_unfinished);
    assert_eq!(revisions(&mut log, &mut cursor), [5], "the rest of 6 may still come");
    log.push(event(6, "b"));
    log.complete(Revision::new(6), false);
    let Some(Taken::Batch(batch)) = log.take(&mut cursor) else { panic!("6 is complete") };
    assert!(matches!(&batch[..], [WatchUpdate::Events { events, .. }] if events.len() == 2));
}

#[test]
fn what_came_of_an_unfinished_revision_comes_again_elsewhere() {
    let mut log = log_after(4);
    let mut cursor = reader(&mut log, 4);
    log.push(event(5, "a"));
    assert_eq!(log.rewind(), Some(Revision::new(4)));
    tell(&mut log, event(5, "a"));
    let Some(Taken::Batch(batch)) = log.take(&mut cursor) else { panic!("5 is complete") };
    assert!(matches!(&batch[..], [WatchUpdate::Events { events, .. }] if events.len() == 1));
}

#[test]
fn readers_share_what_an_answer_brought_and_what_all_have_taken_is_freed() {
    let mut log = log_after(0);
    let (mut one, mut two) = (reader(&mut log, 0), reader(&mut log, 0));
    log.push(event(1, "a"));
    log.push(event(2, "a"));
    assert_eq!(log.complete(Revision::new(2), false).woken, 2);
    let (Some(Taken::Batch(first)), Some(Taken::Batch(second))) =
        (log.take(&mut one), log.take(&mut two))
    else {
        panic!("both are told")
    };
    assert_eq!(first.len(), 2);
    assert!(std::ptr::eq(&raw const first[0], &raw const second[0]), "nothing is copied");
    assert_eq!((log.slots.len(), log.bytes), (0, 0));
}

#[test]
fn a_reader_joins_where_everything_it_wants_is_there() {
    let mut log = log_after(0);
    let mut slow = reader(&mut log, 0);
    let mut quick = reader(&mut log, 0);
    for revision in 1..=4 {
        tell(&mut log, event(revision, "k"));
    }
    assert_eq!(revisions(&mut log, &mut quick), [1, 2, 3, 4]);
    let mut late = reader(&mut log, 2);
    assert_eq!(revisions(&mut log, &mut late), [3, 4], "those it wants, no others");
    assert_eq!(revisions(&mut log, &mut slow), [1, 2, 3, 4]);
    let mut too_late = Cursor::new(Some(Revision::new(2)), false);
    assert!(!log.attach(&mut too_late), "3 and 4 are gone");
    let mut early = Cursor::new(Some(Revision::new(6)), false);
    assert!(!log.attach(&mut early), "the log is told of the past");
    log.set_live(true);
    assert!(log.attach(&mut early));
    for revision in 5..=8 {
        tell(&mut log, event(revision, "k"));
    }
    assert_eq!(revisions(&mut log, &mut early), [7, 8], "nothing before its first revision");
}

#[test]
fn one_answer_may_hold_what_a_reader_knows_and_what_it_does_not() {
    let mut log = log_after(0);
    log.set_live(true);
    let (mut all, mut some) = (reader(&mut log, 0), reader(&mut log, 2));
    (1..=4).for_each(|revision| log.push(event(revision, "k")));
    log.complete(Revision::new(4), false);
    assert_eq!(revisions(&mut log, &mut some), [3, 4]);
    assert_eq!(revisions(&mut log, &mut all), [1, 2, 3, 4]);
}

#[test]
fn a_slow_reader_is_dropped_and_the_quick_ones_go_on() {
    let mut log = log_after(0);
    let (mut slow, mut quick) = (reader(&mut log, 0), reader(&mut log, 0));
    for revision in 1..=20 {
        assert!(!tell(&mut log, large(revision)).is_retired);
        assert_eq!(revisions(&mut log, &mut quick), [revision]);
        assert!(log.bytes <= LOG_BYTES_MAX + LOG_BYTES_MAX / 4, "{}", log.bytes);
    }
    assert_eq!(log.take(&mut slow), lagging(1));
    log.detach(&slow);
    assert!(log.has_readers());
    log.detach(&quick);
    assert!(!log.has_readers());
}

#[test]
fn when_all_readers_are_slow_what_waits_can_be_taken_and_nothing_more_comes() {
    let mut log = log_after(0);
    let (mut one, mut two) = (reader(&mut log, 0), reader(&mut log, 0));
    let retired = (1..).find(|revision| tell(&mut log, large(*revision)).is_retired).unwrap();
    assert_eq!(tell(&mut log, large(retired + 1)), Completed::default());
    for cursor in [&mut one, &mut two] {
        let told: Vec<u64> = (1..retired).collect();
        assert_eq!(revisions(&mut log, cursor), told);
        assert_eq!(log.take(cursor), lagging(retired));
    }
    assert!(!log.attach(&mut two), "it is told nothing any more");
}

#[test]
fn a_watch_of_the_present_begins_where_the_store_says() {
    let mut log = Log::new(None);
    let mut cursor = Cursor::new(None, false);
    assert!(log.attach(&mut cursor));
    assert_eq!(log.begun(), None);
    tell(&mut log, event(7, "k"));
    assert_eq!(log.begun(), Some(Ok(Revision::new(6))), "6 had nothing for it, or came before");
    assert!(!log.attach(&mut Cursor::new(None, false)), "its present is another");
    assert_eq!(revisions(&mut log, &mut cursor), [7]);
}

#[test]
fn progress_is_told_once_and_only_when_it_was_made() {
    let mut log = log_after(4);
    let mut cursor = Cursor::new(Some(Revision::new(4)), true);
    assert!(log.attach(&mut cursor));
    assert_eq!(log.complete(Revision::new(4), true).woken, 0);
    assert_eq!(taken_progress(&mut log, &mut cursor), None);
    assert_eq!(log.complete(Revision::new(7), true).woken, 1);
    log.complete(Revision::new(9), true);
    assert_eq!(taken_progress(&mut log, &mut cursor), Some(9));
    assert_eq!(taken_progress(&mut log, &mut cursor), None);
    log.push(event(11, "k"));
    log.complete(Revision::new(11), true);
    assert!(matches!(log.take(&mut cursor), Some(Taken::Batch(batch)) if batch.len() == 1));
    assert_eq!(taken_progress(&mut log, &mut cursor), None, "the event told it");
}

#[test]
fn a_lost_past_ends_only_those_who_want_it() {
    let mut log = log_after(4);
    log.set_live(true);
    let (mut past, mut future) = (reader(&mut log, 4), reader(&mut log, 9));
    let (requested, oldest) = (Revision::new(5), Revision::new(8));
    let error = WatchError::Compacted { requested, oldest };
    log.end(error.clone());
    assert_eq!(log.take(&mut past), Some(Taken::Ended(error)));
    assert_eq!(log.take(&mut future), Some(Taken::Elsewhere));
}

#![allow(clippy::unwrap_used)]

use aspen_core::{Key, KeyRange, Revision, WatchChange, WatchEvent, WatchRequest};

use super::super::cursor::Taken;
use super::*;

fn request() -> WatchRequest {
    WatchRequest::new(KeyRange::prefix("k"))
}

fn subscribe(hub: &Hub, request: WatchRequest, after: Option<u64>) -> (Arc<Feed>, Cursor) {
    hub.open().unwrap();
    let mut cursor = Cursor::new(after.map(Revision::new), false);
    let feed = hub.subscribe(request.into(), &mut cursor);
    (feed, cursor)
}

/// The ids that the session is to serve, and no longer.
fn news(hub: &Hub) -> (Vec<u64>, Vec<u64>) {
    let News { add, remove } = hub.take_news(100);
    (add.iter().map(|feed| feed.id.0).collect(), remove.iter().map(|id| id.0).collect())
}

fn begin(feed: &Feed, revision: u64) {
    let mut log = feed.log.lock();
    log.set_live(true);
    log.complete(Revision::new(revision), false);
}

fn tell(feed: &Feed, revision: u64) {
    let (key, revision) = (Key::try_from("k").unwrap(), Revision::new(revision));
    let change = WatchChange::Delete { key, revision };
    let mut log = feed.log.lock();
    log.push(WatchEvent { change, previous: None });
    log.complete(revision, false);
}

#[test]
fn watches_of_the_present_share_a_feed_once_they_have_begun() {
    let hub = Hub::default();
    let (first, _one) = subscribe(&hub, request(), None);
    let (same, _two) = subscribe(&hub, request(), None);
    assert_eq!(first.id, same.id, "the node was not asked yet");
    assert_eq!(news(&hub), (vec![0], vec![]));
    let (mut later, mut three) = subscribe(&hub, request(), None);
    assert_ne!(later.id, first.id, "its present is a later one");
    assert_eq!(news(&hub), (vec![1], vec![]));
    begin(&first, 5);
    begin(&later, 7);
    hub.rejoin(&mut later, &mut three);
    assert_eq!(later.id, first.id);
    assert_eq!(news(&hub), (vec![], vec![1]));
    (6..=8).for_each(|revision| tell(&first, revision));
    let taken = first.log.lock().take(&mut three);
    assert!(matches!(taken, Some(Taken::Batch(batch)) if batch.len() == 1), "only 8");
}

#[test]
fn only_what_tells_the_same_is_shared() {
    let hub = Hub::default();
    let (plain, _one) = subscribe(&hub, request(), Some(4));
    for other in [request().with_previous(), request().with_progress()] {
        assert_ne!(subscribe(&hub, other, Some(4)).0.id, plain.id);
    }
    let other_keys = WatchRequest::new(KeyRange::prefix("l"));
    assert_ne!(subscribe(&hub, other_keys, Some(4)).0.id, plain.id);
    assert_eq!(subscribe(&hub, request(), Some(4)).0.id, plain.id);
}

#[test]
fn a_watch_of_the_past_goes_over_when_it_has_caught_up() {
    let hub = Hub::default();
    let (shared, _now) = subscribe(&hub, request(), None);
    news(&hub);
    begin(&shared, 9);
    let (mut feed, mut cursor) = subscribe(&hub, request(), Some(3));
    assert_ne!(feed.id, shared.id);
    news(&hub);
    tell(&feed, 5);
    feed.log.lock().take(&mut cursor);
    hub.rejoin(&mut feed, &mut cursor);
    assert_ne!(feed.id, shared.id, "6 to 9 are not there");
    tell(&feed, 9);
    feed.log.lock().take(&mut cursor);
    hub.rejoin(&mut feed, &mut cursor);
    assert_eq!(feed.id, shared.id);
    assert_eq!(news(&hub).1, [1]);
}

#[test]
fn a_feed_of_the_present_is_preferred_to_one_of_the_past() {
    let hub = Hub::default();
    let (past, _one) = subscribe(&hub, request(), Some(1));
    news(&hub);
    let (mut present, mut two) = subscribe(&hub, request(), None);
    news(&hub);
    begin(&present, 100);
    hub.rejoin(&mut present, &mut two);
    assert_ne!(present.id, past.id);
    assert!(present.is_shared() && !past.is_shared());
}

#[test]
fn a_feed_goes_with_its_last_reader() {
    let hub = Hub::default();
    let (feed, one) = subscribe(&hub, request(), Some(4));
    let (_, two) = subscribe(&hub, request(), Some(4));
    news(&hub);
    hub.close(&feed, &one);
    assert_eq!(news(&hub), (vec![], vec![]));
    hub.close(&feed, &two);
    assert_eq!(news(&hub), (vec![], vec![0]));
    assert!(hub.is_idle());
    let (feed, _three) = subscribe(&hub, request(), Some(4));
    assert_eq!(feed.id, WatchId(1), "nobody joins what has gone");
}

#[test]
fn an_error_of_one_feed_leaves_the_others() {
    let hub = Hub::default();
    let (refused, mut one) = subscribe(&hub, request(), Some(4));
    let (other, mut two) = subscribe(&hub, WatchRequest::new(KeyRange::all()), Some(4));
    news(&hub);
    let error = WatchError::TooMany { name: "LIMIT".to_owned(), limit: 1 };
    hub.end(&refused, error.clone());
    assert_eq!(refused.log.lock().take(&mut one), Some(Taken::Ended(error)));
    assert_eq!(other.log.lock().take(&mut two), None);
    hub.start_over();
    assert_eq!(news(&hub).0, [1], "what has ended is not asked for again");
}

#[test]
fn a_refusal_ends_only_the_watches_that_have_not_begun() {
    let hub = Hub::default();
    let (begun, mut one) = subscribe(&hub, request(), Some(4));
    let (waiting, mut two) = subscribe(&hub, WatchRequest::new(KeyRange::all()), None);
    let error = WatchError::TooMany { name: "LIMIT".to_owned(), limit: 1 };
    hub.end_unbegun(&error);
    assert_eq!(begun.log.lock().take(&mut one), None);
    assert_eq!(waiting.log.lock().take(&mut two), Some(Taken::Ended(error)));
}

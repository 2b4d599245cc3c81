#![allow(clippy::unwrap_used, clippy::panic)]

use futures_util::FutureExt;

use super::*;

fn session() -> Arc<Session> {
    Session::new(ClientId::new([1; 16]))
}

#[tokio::test]
async fn the_floor_is_the_lowest_unsettled_write() {
    let session = session();
    let first = session.begin().await;
    let second = session.begin().await;
    assert_eq!((second.stamp.sequence, second.stamp.settled_below), (1, 0));
    drop(second);
    let third = session.begin().await;
    assert_eq!((third.stamp.sequence, third.stamp.settled_below), (2, 0));
    drop(first);
    let fourth = session.begin().await;
    assert_eq!((fourth.stamp.sequence, fourth.stamp.settled_below), (3, 2));
}

#[tokio::test]
async fn a_full_window_waits_for_its_oldest_write() {
    let session = session();
    let oldest = session.begin().await;
    for _ in 1..SESSION_WINDOW_MAX {
        drop(session.begin().await);
    }
    let mut waiting = Box::pin(session.begin());
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(oldest);
    let write = waiting.await;
    assert_eq!(write.stamp.sequence, SESSION_WINDOW_MAX);
    assert_eq!(write.stamp.settled_below, SESSION_WINDOW_MAX);
}

#[tokio::test(start_paused = true)]
async fn only_an_idle_session_grows_old() {
    let sessions = Sessions::default();
    let session = session();
    let group = GroupId::META;
    sessions.insert(group, session.clone());
    let write = session.begin().await;
    runtime::sleep(SESSION_IDLE_MAX).await;
    assert!(sessions.current(group).is_some());
    drop(write);
    assert!(sessions.current(group).is_none());
}

#[test]
fn discarding_spares_the_sessions_successor() {
    let sessions = Sessions::default();
    let (old, new) = (session(), Session::new(ClientId::new([2; 16])));
    sessions.insert(GroupId::META, new);
    sessions.discard(GroupId::META, &old);
    assert!(sessions.current(GroupId::META).is_some());
}

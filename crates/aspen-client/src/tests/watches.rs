//! Watches of nodes that refuse some of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    ClientRequest, KeyRange, Revision, Watch, WatchError, WatchPoll, WatchPollError, WatchPosition,
    WatchProgress, WatchReply, WatchRequest, runtime,
};
use bytes::Bytes;
use tokio::sync::Notify;

use super::fake::FakeCluster;
use crate::ClientOptions;

/// What fake nodes answer to polls: that nothing has changed.
#[derive(Default)]
pub(super) struct FakeWatches {
    /// Starts of ranges for which there is no room.
    full: BTreeSet<Bytes>,
    /// Nodes without room for a session.
    without_room: BTreeSet<u8>,
    /// Ends the poll that waits.
    polled: Arc<Notify>,
}

impl FakeWatches {
    pub(super) fn answer(
        &self,
        node: u8,
        revision: u64,
        poll: WatchPoll,
    ) -> Result<WatchReply, WatchPollError> {
        if self.without_room.contains(&node) {
            return Err(WatchPollError::TooMany { name: "SESSIONS".to_owned(), limit: 1 });
        }
        let through = WatchPosition::through(Revision::new(revision));
        let (mut alone, mut ended) = (Vec::new(), Vec::new());
        for add in poll.add {
            if self.full.contains(&add.range.start) {
                ended.push((add.id, too_many("WATCHES")));
                continue;
            }
            alone.push(WatchProgress { id: add.id, position: through.clone(), joins: true });
        }
        Ok(WatchReply { sets: Vec::new(), events: Vec::new(), alone, through, ended })
    }
}

/// A poll that begins nothing waits as long as it may, or until the next comes.
pub(super) async fn wait(cluster: &FakeCluster, request: &ClientRequest) {
    let ClientRequest::Watch { poll, .. } = request else { return };
    let polled = cluster.script.lock().watches.polled.clone();
    polled.notify_waiters();
    if poll.add.is_empty() {
        let wait = Duration::from_millis(poll.wait_ms);
        let _ = runtime::timeout(wait, polled.notified()).await;
    }
}

fn too_many(name: &str) -> WatchError {
    WatchError::TooMany { name: name.to_owned(), limit: 1 }
}

fn watch(prefix: &'static str) -> WatchRequest {
    WatchRequest::new(KeyRange::prefix(prefix))
}

/// Whether a watch goes on: it has nothing to tell, and no error.
async fn goes_on(stream: &mut aspen_core::WatchStream) -> bool {
    runtime::timeout(Duration::from_secs(60), stream.next()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_ends_no_other() {
    let cluster = FakeCluster::three();
    cluster.script.lock().watches.full = [Bytes::from("full/")].into();
    let client = cluster.client(&[1, 2, 3]);
    let past = watch("past/").from(Revision::new(1));
    let (first, refused, past) =
        tokio::join!(client.watch(watch("a/")), client.watch(watch("full/")), client.watch(past));
    assert_eq!(refused.unwrap_err(), too_many("WATCHES"));
    assert!(goes_on(&mut first.unwrap()).await && goes_on(&mut past.unwrap()).await);
    let late = client.watch(watch("full/").from(Revision::new(1))).await;
    assert_eq!(late.unwrap().next().await, Err(too_many("WATCHES")));
}

#[tokio::test(start_paused = true)]
async fn a_node_without_room_is_passed_over() {
    let cluster = FakeCluster::three();
    cluster.script.lock().watches.without_room = [1, 3].into();
    let client = cluster.client(&[1, 2, 3]);
    assert!(goes_on(&mut client.watch(watch("a/")).await.unwrap()).await);
    assert_eq!(*cluster.data_calls().last().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn when_no_node_has_room_the_watches_that_have_begun_go_on_trying() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1, 2, 3]);
    let mut begun = client.watch(watch("a/")).await.unwrap();
    {
        // The session is lost, and nobody takes the next one.
        let mut script = cluster.script.lock();
        script.watches.without_room = [1, 2, 3].into();
    }
    let refused = client.watch(watch("b/")).await.unwrap_err();
    assert_eq!(refused, too_many("SESSIONS"));
    cluster.script.lock().watches.without_room.clear();
    assert!(goes_on(&mut begun).await);
    assert!(goes_on(&mut client.watch(watch("b/")).await.unwrap()).await);
}

/// A leader that could not be reached would be dialled again for each session, since followers name
/// it until they have elected the next.
#[tokio::test(start_paused = true)]
async fn a_session_that_could_not_connect_tells_whom_to_avoid() {
    let cluster = FakeCluster::three();
    cluster.script.lock().down = [1].into();
    let options = ClientOptions::default();
    let client = cluster.client_with(&[1, 2, 3], options);
    let mut stream = client.watch(watch("a/")).await.unwrap();
    assert!(goes_on(&mut stream).await);
    let dialled = cluster.data_calls().iter().filter(|node| **node == 1).count();
    assert!(dialled <= 1, "dialled {dialled} times");
}

/// A thousand watches of the same keys are one for the node.
#[tokio::test(start_paused = true)]
async fn a_node_serves_watches_of_the_same_keys_once() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1, 2, 3]);
    let mut streams = Vec::new();
    for number in 0..1_000_u64 {
        let request = match number % 2 {
            0 => watch("a/"),
            _ => watch("a/").from(Revision::new(1)),
        };
        streams.push(client.watch(request).await.unwrap());
    }
    runtime::sleep(Duration::from_secs(60)).await;
    assert_eq!(client.shared.hub.feeds(), 1);
    drop(streams);
    runtime::sleep(Duration::from_secs(60)).await;
    assert_eq!(client.shared.hub.feeds(), 0);
}

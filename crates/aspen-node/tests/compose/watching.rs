//! Watches over composed nodes, and over the model.

use std::sync::Arc;

use aspen_core::{
    Caller, ClientRequest, ClientResponse, EndpointKey, ErrorKind, GroupId, Key, KeyRange,
    KeyValueStore, MemoryStore, Operation, Revision, Rights, ShardId, Value,
    WATCH_SESSION_ADDS_MAX, WATCH_SESSION_WATCHES_MAX, Watch, WatchAdd, WatchError, WatchEvent,
    WatchEvents, WatchFilter, WatchId, WatchPoll, WatchPollError, WatchPosition, WatchReply,
    WatchRequest, WatchStream, WatchUpdate, WriteCommand, runtime,
};

use crate::cluster::{Machine, PATIENCE, Running, voters};
use crate::memory_net::MemoryNet;

fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

fn value(text: &str) -> Value {
    Value::try_from(text).unwrap()
}

async fn next(stream: &mut WatchStream) -> Result<WatchUpdate, WatchError> {
    runtime::timeout(PATIENCE, stream.next()).await.expect("an update comes")
}

/// The events of the next revision.
async fn events(stream: &mut WatchStream) -> (Revision, WatchEvents) {
    loop {
        match next(stream).await.unwrap() {
            WatchUpdate::Events { revision, events } => return (revision, events),
            WatchUpdate::Progress { .. } | WatchUpdate::Lagging { .. } => {}
        }
    }
}

/// Key, and whether it was removed, of each event.
fn shape(events: &[WatchEvent]) -> Vec<(String, bool)> {
    let text = |event: &WatchEvent| String::from_utf8_lossy(event.key().as_bytes()).into_owned();
    events.iter().map(|event| (text(event), event.is_delete())).collect()
}

/// What every watch promises, on any store.
async fn keeps_its_promises(store: &dyn KeyValueStore, watch: &dyn Watch) {
    let everything = KeyRange::all();
    store.write(WriteCommand::DeleteRange { range: everything }).await.unwrap();
    store.set(key("w/a"), value("before")).await.unwrap();
    let range = KeyRange::prefix("w/");
    let plain = WatchRequest::new(range.clone());
    let mut all = watch.watch(plain.clone().with_previous()).await.unwrap();
    let deletes = WatchRequest { filter: WatchFilter::Deletes, ..plain.clone() };
    let mut deletes = watch.watch(deletes).await.unwrap();
    let mut single = watch.watch(WatchRequest::new(KeyRange::single(&key("w/b")))).await.unwrap();

    let operations = vec![
        Operation::put(key("w/b"), value("1")),
        Operation::put(key("v"), value("outside")),
        Operation::Delete { key: key("w/a") },
    ];
    let batch = store.write(WriteCommand::Batch { operations }).await.unwrap();
    let changed = store.set(key("w/b"), value("2")).await.unwrap();

    let (revision, told) = events(&mut all).await;
    assert_eq!(revision, batch.revision);
    assert_eq!(shape(&told), [("w/a".to_owned(), true), ("w/b".to_owned(), false)], "atomic");
    let previous = |event: &WatchEvent| event.previous.as_ref().map(|entry| entry.value.clone());
    assert_eq!(previous(&told[0]), Some(value("before")));
    assert_eq!((previous(&told[1]), told[1].is_create()), (None, true));
    let (revision, told) = events(&mut all).await;
    assert_eq!(revision, changed.revision);
    assert_eq!((previous(&told[0]), told[0].is_create()), (Some(value("1")), false));

    let (revision, told) = events(&mut deletes).await;
    assert_eq!((revision, shape(&told)), (batch.revision, vec![("w/a".to_owned(), true)]));
    assert_eq!(told[0].previous, None, "not asked for");
    for revision in [batch.revision, changed.revision] {
        assert_eq!(events(&mut single).await.0, revision);
    }

    let mut again = watch.watch(plain.clone().from(batch.revision)).await.unwrap();
    for revision in [batch.revision, changed.revision] {
        assert_eq!(events(&mut again).await.0, revision, "resumed from the past");
    }
    let mut bookmarks = watch.watch(plain.clone().with_progress()).await.unwrap();
    let outside = store.set(key("v"), value("again")).await.unwrap();
    loop {
        match next(&mut bookmarks).await.unwrap() {
            WatchUpdate::Progress { revision } if revision >= outside.revision => break,
            WatchUpdate::Progress { .. } => {}
            other => panic!("nothing happened in the range: {other:?}"),
        }
    }
    let future = Revision::new(outside.revision.get() + 2);
    let mut later = watch.watch(plain.from(future)).await.unwrap();
    store.set(key("w/c"), value("too early")).await.unwrap();
    store.set(key("w/c"), value("in time")).await.unwrap();
    assert_eq!(events(&mut later).await.0, future);
}

#[cfg_attr(not(madsim), tokio::test(flavor = "multi_thread"))]
#[cfg_attr(madsim, madsim::test)]
async fn the_model_keeps_the_promises_of_a_watch() {
    let store = MemoryStore::new();
    keeps_its_promises(&store, &store).await;
}

#[cfg_attr(not(madsim), tokio::test(flavor = "multi_thread"))]
#[cfg_attr(madsim, madsim::test)]
async fn a_cluster_keeps_the_promises_of_a_watch() {
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        let store = node.node.client();
        keeps_its_promises(&store, &store).await;
    }
    cluster.stop().await;
}

#[cfg_attr(not(madsim), tokio::test(flavor = "multi_thread"))]
#[cfg_attr(madsim, madsim::test)]
async fn wrong_requests_name_what_is_wrong() {
    let store = MemoryStore::new();
    let empty = WatchRequest::new(KeyRange::half_open("b", "a"));
    let refused = |error: WatchError| error.to_string();
    assert!(refused(store.watch(empty).await.unwrap_err()).contains("range"));
    let zero = WatchRequest::new(KeyRange::all()).from(Revision::ZERO);
    assert!(refused(store.watch(zero).await.unwrap_err()).contains("from"));
}

/// Every change of the range is told once and in order although the node that served the watch, the
/// leader, stops and another leads.
#[cfg_attr(not(madsim), tokio::test(flavor = "multi_thread"))]
#[cfg_attr(madsim, madsim::test)]
async fn a_watch_survives_the_loss_of_its_node() {
    let mut cluster = Cluster::start().await;
    let leader = cluster.leader();
    let store = cluster.nodes[(leader + 1) % 3].node.client();
    let mut stream = store.watch(WatchRequest::new(KeyRange::prefix("k"))).await.unwrap();
    let mut written = Vec::new();
    for round in 0..3 {
        for number in 0..20 {
            let set = store.set(key(&format!("k{number}")), value("v")).await;
            written.push(set.unwrap().revision);
        }
        if round == 0 {
            cluster.nodes.remove(leader).stop().await;
        }
    }
    for revision in written {
        assert_eq!(events(&mut stream).await.0, revision);
    }
    cluster.stop().await;
}

/// A watch that begins below the horizon ends with an error that says where it could begin.
#[cfg_attr(not(madsim), tokio::test(flavor = "multi_thread"))]
#[cfg_attr(madsim, madsim::test)]
async fn compacted_history_cannot_be_watched() {
    let cluster = Cluster::start().await;
    let store = cluster.nodes[0].node.client();
    for number in 0..10 {
        store.set(key("k"), value(&number.to_string())).await.unwrap();
    }
    let horizon = store.set(key("k"), value("last")).await.unwrap().revision;
    assert_eq!(store.compact(horizon).await.unwrap(), horizon);
    let earlier = store.compact(Revision::new(2)).await.unwrap();
    assert_eq!(earlier, horizon, "it never goes back");
    let future = store.compact(Revision::new(horizon.get() + 9)).await.unwrap_err();
    assert_eq!(future.kind(), ErrorKind::Invalid);
    let from = Revision::new(2);
    let mut stream = store.watch(WatchRequest::new(KeyRange::all()).from(from)).await.unwrap();
    let oldest = horizon.next();
    let error = next(&mut stream).await.unwrap_err();
    assert_eq!(error, WatchError::Compacted { requested: from, oldest });
    let mut stream = store.watch(WatchRequest::new(KeyRange::all()).from(oldest)).await.unwrap();
    let set = store.set(key("k"), value("new")).await.unwrap();
    assert_eq!(events(&mut stream).await.0, set.revision);
    cluster.stop().await;
}

/// A reader that does not read costs a bounded buffer; when it comes back it is told that it
/// lagged, and misses nothing. Others are not held up.
#[cfg_attr(not(madsim), tokio::test(flavor = "multi_thread"))]
#[cfg_attr(madsim, madsim::test)]
async fn a_slow_reader_lags_and_misses_nothing() {
    const WRITES: usize = 20;
    // Together far more than waits for a reader.
    let large = Value::new(vec![7; 512 * 1024]).unwrap();
    let cluster = Cluster::start().await;
    let store = cluster.nodes[0].node.client();
    let all = || WatchRequest::new(KeyRange::prefix("k"));
    let mut slow = store.watch(all()).await.unwrap();
    let mut quick = store.watch(all()).await.unwrap();
    let write = async {
        let mut revisions = Vec::new();
        for number in 0..WRITES {
            let set = store.set(key(&format!("k{}", number % 7)), large.clone()).await.unwrap();
            revisions.push(set.revision);
        }
        revisions
    };
    let read = async {
        let mut revisions = Vec::new();
        while revisions.len() < WRITES {
            match next(&mut quick).await.unwrap() {
                WatchUpdate::Events { revision, .. } => revisions.push(revision),
                other => panic!("the quick reader got {other:?}"),
            }
        }
        revisions
    };
    let (written, read) = tokio::join!(write, read);
    assert_eq!(read, written);
    let (mut told, mut lagged) = (Vec::new(), 0);
    while told.len() < WRITES {
        match next(&mut slow).await.unwrap() {
            WatchUpdate::Events { revision, .. } => told.push(revision),
            WatchUpdate::Lagging { resume } => {
                assert_eq!(resume, written[told.len()], "it resumes where it stopped");
                lagged += 1;
            }
            WatchUpdate::Progress { .. } => panic!("not asked for"),
        }
    }
    assert_eq!(told, written);
    assert!(lagged > 0, "its buffer is smaller than what it missed");
    cluster.stop().await;
}

/// A poll that a simulated network brought before the one sent ahead of it was answered first, with
/// the later changes; and of a poll that came twice, the second copy took the changes and its
/// answer went to nobody. Polls are answered in their order, each once.
#[cfg_attr(not(madsim), tokio::test(flavor = "multi_thread"))]
#[cfg_attr(madsim, madsim::test)]
async fn polls_are_answered_in_their_order_and_once() {
    let cluster = Cluster::start().await;
    let poll = |sequence, add| poll(&cluster.nodes[0], sequence, add);
    let add = add(1);
    let begun = poll(0, vec![add.clone()]).await.unwrap();
    assert_eq!(begun.alone.len(), 1);
    let store = cluster.nodes[0].node.client();
    let set = store.set(key("k"), value("v")).await.unwrap();

    let early = runtime::spawn(poll(2, Vec::new()));
    let told = poll(1, Vec::new()).await.unwrap();
    assert_eq!(told.events.len(), 1);
    assert_eq!(told.through, WatchPosition::through(set.revision));
    assert!(early.await.unwrap().unwrap().events.is_empty(), "they were told by the one before");
    let copy = poll(1, Vec::new()).await;
    assert_eq!(copy, Err(WatchPollError::UnknownSession));
    let copy = poll(0, vec![add]).await;
    assert_eq!(copy, Err(WatchPollError::UnknownSession), "the session goes on");
    assert!(poll(3, Vec::new()).await.is_ok());
    cluster.stop().await;
}

/// The limit of a session refuses the watch that passes it, and no other of the same poll.
#[cfg_attr(not(madsim), tokio::test(flavor = "multi_thread"))]
#[cfg_attr(madsim, madsim::test)]
async fn a_watch_beyond_the_limit_is_refused_by_itself() {
    let cluster = Cluster::start().await;
    let limit = WATCH_SESSION_WATCHES_MAX as u64;
    let polls = limit / WATCH_SESSION_ADDS_MAX as u64;
    for sequence in 0..polls {
        // All but one of what the session may hold.
        let first = sequence * WATCH_SESSION_ADDS_MAX as u64;
        let end = (first + WATCH_SESSION_ADDS_MAX as u64).min(limit - 1);
        let adds = (first..end).map(add).collect();
        let reply = poll(&cluster.nodes[0], sequence, adds).await.unwrap();
        assert!(reply.ended.is_empty(), "{:?}", reply.ended);
    }
    let adds = [limit, limit + 1].map(add).to_vec();
    let reply = poll(&cluster.nodes[0], polls, adds).await.unwrap();
    assert_eq!(reply.alone.iter().map(|it| it.id).collect::<Vec<_>>(), [WatchId(limit)]);
    let name = "WATCH_SESSION_WATCHES_MAX".to_owned();
    let refused = WatchError::TooMany { name, limit };
    assert_eq!(reply.ended, [(WatchId(limit + 1), refused)]);
    cluster.stop().await;
}

/// A watch of everything from the present on.
fn add(id: u64) -> WatchAdd {
    let (range, filter) = (KeyRange::all(), WatchFilter::All);
    WatchAdd { id: WatchId(id), range, filter, previous: false, after: None }
}

/// Polls a session of a node, as a client does.
fn poll(
    node: &Running,
    sequence: u64,
    add: Vec<WatchAdd>,
) -> impl Future<Output = Result<WatchReply, WatchPollError>> + use<> {
    let poll = WatchPoll { session: 7, sequence, add, remove: Vec::new(), wait_ms: 0 };
    let group = GroupId::shard(ShardId::new(0));
    let caller = Caller { endpoint: EndpointKey::new([9; 32]), rights: Rights::Read };
    let handler = node.node.requests();
    async move {
        let request = ClientRequest::Watch { group, poll };
        match handler.handle(caller, vec![request]).await.pop() {
            Some(ClientResponse::Watch(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }
}

fn shard_of(node: &Running) -> Arc<aspen_raft::Group> {
    let is_shard = |group: &Arc<aspen_raft::Group>| group.id() != GroupId::META;
    node.node.groups().into_iter().find(is_shard).expect("every node has the shard")
}

struct Cluster {
    nodes: Vec<Running>,
    // Kept for their disks.
    _dir: tempfile::TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let net = Arc::new(MemoryNet::default());
        let machines: Vec<Machine> = (1..=3).map(|id| Machine::new(&net, dir.path(), id)).collect();
        let mut nodes = vec![machines[0].found(None).await];
        for machine in &machines[1..] {
            let joined = machine.join(&nodes[0]).await;
            nodes.push(joined);
        }
        nodes[0].status_until(voters(&[1, 2, 3])).await;
        Self { nodes, _dir: dir }
    }

    /// Which node leads the shard.
    fn leader(&self) -> usize {
        let leads = |node: &Running| shard_of(node).leader() == Some(node.node.id());
        self.nodes.iter().position(leads).expect("the shard has a leader")
    }

    async fn stop(self) {
        for node in self.nodes {
            node.stop().await;
        }
    }
}

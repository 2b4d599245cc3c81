//! Watches over several shards.

use std::collections::{BTreeMap, BTreeSet};

use aspen_core::{
    Consistency, Key, KeyRange, KeyValueStore, ReadRequest, Revision, ShardId, Watch, WatchError,
    WatchRequest, WatchUpdate, runtime,
};
use aspen_sharding::{ShardRevisions, ShardedWatchStream};

use crate::support::{Sharded, key, sharded, value};

const WRITES: usize = 60;

async fn write_some(store: &Sharded, from: usize, to: usize) {
    for number in from..to {
        store.set(key(&format!("key-{number}")), value("v")).await.unwrap();
    }
}

async fn everywhere(store: &Sharded) -> ShardRevisions {
    let nothing = ReadRequest { keys: Vec::new(), consistency: Consistency::Linearizable };
    store.read_shards(nothing).await.unwrap().revisions
}

/// The next changes, which must be in the order of revisions within each shard.
async fn take(stream: &mut ShardedWatchStream, wanted: usize) -> Vec<Key> {
    let (mut keys, mut last) = (Vec::new(), BTreeMap::<ShardId, Revision>::new());
    while keys.len() < wanted {
        let told = stream.next().await.unwrap();
        if let WatchUpdate::Events { revision, events } = told.update {
            let before = last.insert(told.shard, revision);
            assert!(before.is_none_or(|before| before < revision));
            assert_eq!(stream.position().get(told.shard), Some(revision));
            keys.extend(events.iter().map(|event| event.key().clone()));
        }
    }
    keys
}

#[tokio::test(start_paused = true)]
async fn every_change_is_told_once_and_a_position_resumes() {
    let store = sharded(7);
    let began = everywhere(&store).await;
    write_some(&store, 0, WRITES).await;
    let request = WatchRequest::new(KeyRange::all());
    let mut told = BTreeSet::new();
    let mut position = began;
    for part in [1, 20, WRITES - 21] {
        let mut stream = store.watch_shards(request.clone(), Some(&position)).await.unwrap();
        for key in take(&mut stream, part).await {
            assert!(told.insert(key), "told twice");
        }
        let kept = stream.position().encode().unwrap();
        position = ShardRevisions::decode(&kept).unwrap();
    }
    assert_eq!(told.len(), WRITES);
    assert_eq!(position, everywhere(&store).await);
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_now_tells_what_comes_and_names_every_shard() {
    let store = sharded(7);
    write_some(&store, 0, 20).await;
    let request = WatchRequest::new(KeyRange::all());
    let mut stream = store.watch_shards(request.clone(), None).await.unwrap();
    assert_eq!(stream.position(), &everywhere(&store).await);
    let mut plain = store.watch(request).await.unwrap();
    write_some(&store, 20, 40).await;
    let told: BTreeSet<Key> = take(&mut stream, 20).await.into_iter().collect();
    let mut also = BTreeSet::new();
    while also.len() < 20 {
        if let WatchUpdate::Events { events, .. } = plain.next().await.unwrap() {
            also.extend(events.into_iter().map(|event| event.key().clone()));
        }
    }
    assert!(told.len() == 20 && told == also);
    let more = runtime::timeout(std::time::Duration::from_secs(5), stream.next()).await;
    assert!(more.is_err(), "nothing else has happened");
    // What was waited for in vain is not lost.
    write_some(&store, 40, 41).await;
    assert_eq!(take(&mut stream, 1).await, [key("key-40")]);
}

#[tokio::test(start_paused = true)]
async fn a_range_of_one_shard_is_watched_from_its_revisions() {
    let store = sharded(7);
    let first = store.set(key("p\x00a"), value("1")).await.unwrap().revision;
    store.set(key("p\x00a"), value("2")).await.unwrap();
    let request = WatchRequest::new(KeyRange::prefix("p\0")).from(first.next()).with_progress();
    let update = store.watch(request).await.unwrap().next().await.unwrap();
    assert!(matches!(update, WatchUpdate::Events { revision, .. } if revision == first.next()));
}

#[tokio::test(start_paused = true)]
async fn one_revision_for_several_shards_is_refused() {
    let store = sharded(7);
    let request = WatchRequest::new(KeyRange::all());
    for (request, why) in
        [(request.clone().from(Revision::new(1)), "from"), (request.with_progress(), "progress")]
    {
        let refused = store.watch(request).await.unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
    let request = WatchRequest::new(KeyRange::all());
    let none = ShardRevisions::new();
    let refused = store.watch_shards(request, Some(&none)).await.unwrap_err();
    assert!(matches!(refused.error, WatchError::Invalid(_)), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_history_is_gone_ends_the_watch_by_name() {
    let store = sharded(7);
    let began = everywhere(&store).await;
    write_some(&store, 0, WRITES).await;
    let shard = ShardId::new(3);
    let gone = store.shard(shard).unwrap();
    gone.compact(gone.revision()).unwrap();
    let request = WatchRequest::new(KeyRange::all());
    let refused = store.watch_shards(request.clone(), Some(&began)).await.unwrap_err();
    assert!(refused.shard == shard && matches!(refused.error, WatchError::Compacted { .. }));

    let mut stream = store.watch_shards(request, Some(&everywhere(&store).await)).await.unwrap();
    let twice: Vec<Key> = (0..WRITES).map(|number| key(&format!("key-{number}"))).collect();
    let home = |key: &&Key| store.router().shard_for_key(key.as_bytes()) == shard;
    for key in [0, 1].iter().flat_map(|_| twice.iter().filter(home)) {
        gone.set(key.clone(), value("again")).await.unwrap();
    }
    gone.compact(gone.revision()).unwrap();
    let ended = stream.next().await.unwrap_err();
    assert_eq!((ended.shard, ended.kind()), (shard, aspen_core::ErrorKind::Conflict));
    assert_eq!(stream.next().await.unwrap_err(), ended);
}

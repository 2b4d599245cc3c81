//! Readers beside writers, flushes and compaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aspen_core::{KeyRange, Revision, ScanOrder, ScanRequest, runtime};

use super::support::{compact, entry, key, open, put, transaction};
use crate::state::StateMachine;
use crate::state::sqlite::SqliteStateMachine;

/// How many keys every transaction of the writer sets, all to its own number.
const KEYS: u32 = 40;

/// Every transaction sets every key to one value, so a reader that sees two values saw half a
/// transaction, or two states mixed.
async fn read_all(machine: Arc<SqliteStateMachine>, stop: Arc<AtomicBool>, seed: u32) -> u64 {
    let mut reads = 0;
    while !stop.load(Ordering::Relaxed) {
        let newest = machine.revision();
        let back = u64::from(reads as u32 * 7 + seed) % 40;
        let past = Revision::new(newest.get().saturating_sub(back).max(1));
        let at = (reads % 3 == 0 && newest >= past).then_some(past);
        let keys = (0..KEYS).map(key).collect();
        let read = machine.read(vec![(keys, at)]).await.pop().unwrap();
        let order = if reads % 2 == 0 { ScanOrder::Forward } else { ScanOrder::Reverse };
        let request = ScanRequest { order, ..ScanRequest::new(KeyRange::all()) };
        let page = machine.scan(request, at).await;
        let values = read.map(|it| (it.revision, it.values.into_iter().flatten().collect()));
        let entries = page.map(|it| (it.revision, it.entries));
        for result in [values, entries] {
            match result {
                Ok((revision, entries)) => check(revision, &entries),
                Err(crate::state::StateError::Compacted { .. }) if at.is_some() => {}
                Err(error) => panic!("{error}"),
            }
        }
        reads += 1;
    }
    reads
}

fn check(revision: Revision, entries: &Vec<aspen_core::KeyValue>) {
    assert_eq!(entries.len(), if revision == Revision::ZERO { 0 } else { KEYS as usize });
    for entry in entries {
        assert_eq!(entry.mod_revision, revision);
        assert_eq!(entry.value.as_bytes(), revision.to_string().as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_transactions_during_flushes() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> =
        (0..4).map(|seed| runtime::spawn(read_all(machine.clone(), stop.clone(), seed))).collect();
    for revision in 1..=1_500u64 {
        let puts = (0..KEYS).map(|it| put(it, &revision.to_string())).collect();
        let mut proposals = vec![transaction(puts)];
        if revision % 50 == 0 {
            proposals.push(compact(Revision::new(revision.saturating_sub(25))));
        }
        machine.apply(vec![entry(revision, proposals)]).await.unwrap();
        if revision % 40 == 0 {
            machine.flush().await.unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert_eq!(machine.check_integrity().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_comes_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let options = crate::state::StateOptions { flush_interval_ms: 1, ..super::support::options() };
    let machine = SqliteStateMachine::open(dir.path(), super::support::GROUP, options).unwrap();
    machine.apply(vec![entry(1, vec![transaction(vec![put(1, "a")])])]).await.unwrap();
    let mut progress = machine.core.progress.subscribe();
    let flushed = progress.wait_for(|now| !now.dirty && now.flushes > 0);
    let bound = std::time::Duration::from_secs(30);
    runtime::timeout(bound, flushed).await.unwrap().unwrap();
    assert_eq!(machine.flushed(), machine.applied());
}

/// A second writer on the file makes flushes fail, as a full disk would.
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_flush_stops_writers_but_not_readers_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let other = rusqlite::Connection::open(dir.path().join("state-1.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writer = machine.clone();
    let writing = runtime::spawn(async move {
        for index in 1..=2_000u64 {
            let number = u32::try_from(index).unwrap();
            let proposal = transaction(vec![put(number, &"v".repeat(200))]);
            writer.apply(vec![entry(index, vec![proposal])]).await.unwrap();
        }
    });
    let mut progress = machine.core.progress.subscribe();
    let bound = std::time::Duration::from_secs(60);
    let failed = progress.wait_for(|now| now.failing && machine.core.is_full());
    runtime::timeout(bound, failed).await.unwrap().unwrap();
    assert!(machine.flush().await.is_err());
    assert!(!writing.is_finished());
    assert!(machine.head_bytes() < 3 * super::support::options().head_bytes_max);
    let read = machine.read(vec![(vec![key(1)], None)]).await.pop().unwrap().unwrap();
    assert!(read.values[0].is_some());
    let page = machine.scan(ScanRequest::new(KeyRange::all()), None).await.unwrap();
    assert_eq!(page.revision.get(), page.count);
    other.execute_batch("ROLLBACK").unwrap();
    runtime::timeout(bound, writing).await.unwrap().unwrap();
    machine.flush().await.unwrap();
    let page = machine.scan(
        ScanRequest {
            projection: aspen_core::Projection::CountOnly,
            ..ScanRequest::new(KeyRange::all())
        },
        None,
    );
    assert_eq!(page.await.unwrap().count, 2_000);
}

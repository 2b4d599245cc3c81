//! What a caller is told when the cluster cannot serve, and when.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    Applied, ErrorKind, KeyValueStore, ReadError, Rejection, Reply, WriteError, WriteFailure,
    runtime,
};

use super::fake::{FakeCluster, key, maybe, value};
use crate::attempts::{DISK_FULL_PATIENCE, UNAVAILABLE_PATIENCE};
use crate::{Client, ClientOptions};

fn unavailable() -> WriteFailure {
    WriteFailure::Unavailable("no quorum".to_owned())
}

fn hasty() -> ClientOptions {
    ClientOptions { request_timeout_ms: 500, attempt_timeout_ms: 100, ..ClientOptions::default() }
}

/// A client whose writes are refused so, with its session open.
async fn refused(options: ClientOptions, error: WriteError) -> (Client, Arc<FakeCluster>) {
    let cluster = FakeCluster::three();
    let client = cluster.client_with(&[1, 2, 3], options);
    client.set(key("a"), value("1")).await.unwrap();
    cluster.script.lock().refuse_writes = Some(error);
    (client, cluster)
}

#[tokio::test(start_paused = true)]
async fn unavailability_survives_the_deadline() {
    let (client, _cluster) = refused(hasty(), WriteError::not_applied(unavailable())).await;
    let error = client.set(key("k"), value("v")).await.unwrap_err();
    assert_eq!((error.kind(), error.applied), (ErrorKind::Unavailable, Applied::No));
    let text = error.to_string();
    assert!(text.contains("deadline passed") && text.contains("no quorum"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_last_attempt_that_is_cut_off_does_not_hide_it() {
    let (client, cluster) = refused(hasty(), WriteError::not_applied(unavailable())).await;
    let write = runtime::spawn(async move { client.set(key("k"), value("v")).await });
    while cluster.stamps().len() < 3 {
        cluster.arrived.notified().await;
    }
    cluster.gate.forget_permits(usize::MAX);
    let error = write.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.applied), (ErrorKind::Unavailable, Applied::Maybe));
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_cluster_is_reported_before_the_deadline() {
    let (client, _cluster) =
        refused(ClientOptions::default(), WriteError::not_applied(unavailable())).await;
    let began = runtime::now();
    let error = client.set(key("k"), value("v")).await.unwrap_err();
    assert_eq!((error.failure, error.applied), (unavailable(), Applied::No));
    assert_waited(began, UNAVAILABLE_PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_reported_soon() {
    let full = WriteFailure::DiskFull("96 %".to_owned());
    let (client, cluster) =
        refused(ClientOptions::default(), WriteError::not_applied(full.clone())).await;
    let began = runtime::now();
    let error = client.set(key("k"), value("v")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!((error.failure, error.applied), (full, Applied::No));
    assert_waited(began, DISK_FULL_PATIENCE);
    cluster.script.lock().refuse_writes = None;
    client.set(key("k"), value("v")).await.unwrap();
    assert_eq!(cluster.script.lock().puts[&key("k")], 1);
}

/// The clock is the test's own: it moves only when every task waits.
#[track_caller]
fn assert_waited(began: runtime::Instant, patience: Duration) {
    let waited = runtime::now().duration_since(began);
    assert!(waited >= patience && waited < patience + Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failover_is_waited_out() {
    let (client, cluster) =
        refused(ClientOptions::default(), WriteError::not_applied(unavailable())).await;
    let write = runtime::spawn(async move { client.set(key("k"), value("v")).await });
    runtime::sleep(Duration::from_secs(6)).await;
    cluster.script.lock().refuse_writes = None;
    write.await.unwrap().unwrap();
    assert_eq!(cluster.script.lock().puts[&key("k")], 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_may_have_happened_is_settled_however_long_that_takes() {
    let (client, cluster) =
        refused(ClientOptions::default(), WriteError::maybe_applied(unavailable())).await;
    let write = runtime::spawn(async move { client.set(key("k"), value("v")).await });
    runtime::sleep(UNAVAILABLE_PATIENCE + Duration::from_secs(1)).await;
    cluster.script.lock().refuse_writes = None;
    write.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn reads_report_unavailability_alike() {
    let cluster = FakeCluster::three();
    let error = ReadError::Unavailable("no quorum".to_owned());
    cluster.script.lock().refuse_reads = Some(error.clone());
    let began = runtime::now();
    assert_eq!(cluster.client(&[1, 2, 3]).get(key("k")).await.unwrap_err(), error);
    assert_waited(began, UNAVAILABLE_PATIENCE);
    let client = cluster.client_with(&[1, 2, 3], hasty());
    let error = client.get(key("k")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("deadline passed"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_group_without_room_for_results_is_asked_again() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    let full = Reply::Rejected(Rejection::TooManyResults { limit: 1 });
    cluster.script.lock().forced_replies = vec![full.clone(), full];
    client.set(key("k"), value("v")).await.unwrap();
    let stamps = cluster.stamps();
    assert_eq!(stamps.len(), 3);
    assert!(stamps.iter().all(|stamp| *stamp == stamps[0]), "{stamps:?}");
    assert_eq!(cluster.script.lock().puts[&key("k")], 1);
}

/// The group may end a session that a client still uses. Opening the same id again would let a
/// late copy of an old write in, as if it were new.
#[tokio::test(start_paused = true)]
async fn an_evicted_session_is_never_opened_again_and_its_write_is_not_repeated() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1, 2, 3]);
    client.set(key("a"), value("1")).await.unwrap();
    for round in 1..=3 {
        {
            let mut script = cluster.script.lock();
            (script.lose_answers, script.evict_after_next) = (1, true);
        }
        let error = client.set(key("k"), value("v")).await.unwrap_err();
        assert_eq!(error.applied, Applied::Maybe);
        assert_eq!(error.failure, WriteFailure::Rejected(Rejection::SessionExpired));
        assert_eq!(cluster.script.lock().puts[&key("k")], round);
        client.set(key("a"), value("2")).await.unwrap();
    }
    let mut opened = cluster.opened();
    // Attempts to open one that followed each other, at one node after another.
    opened.dedup();
    let distinct: std::collections::BTreeSet<_> = opened.iter().collect();
    assert_eq!((opened.len(), distinct.len()), (4, 4), "{opened:?}");
    let used: std::collections::BTreeSet<_> =
        cluster.stamps().iter().map(|stamp| stamp.client).collect();
    assert_eq!(used.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn writes_in_flight_when_their_session_ends_are_told_each_for_itself() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    client.set(key("a"), value("1")).await.unwrap();
    cluster.script.lock().refusals = vec![maybe("stepped down"); 4];
    cluster.expire_sessions();
    let writes = (0..8).map(|number| {
        let client = client.clone();
        runtime::spawn(async move { client.set(key(&format!("k{number}")), value("v")).await })
    });
    let writes: Vec<_> = writes.collect();
    let mut unknown = 0;
    for write in writes {
        match write.await.unwrap() {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.applied, Applied::Maybe);
                assert_eq!(error.failure, WriteFailure::Rejected(Rejection::SessionExpired));
                unknown += 1;
            }
        }
    }
    assert_eq!(unknown, 4, "those that a node had taken; the others were surely not applied");
    assert_eq!(cluster.script.lock().puts.len(), 1 + 4);
    let opened = cluster.opened();
    assert_eq!(opened.len(), 2, "one successor serves all of them: {opened:?}");
}

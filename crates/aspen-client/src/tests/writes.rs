//! Writes: once, whatever is lost, and honest about what is unknown.

use aspen_core::{
    Applied, ErrorKind, InvalidRequest, KeyValueStore, Rejection, Reply, Revision, WriteCommand,
    WriteError, WriteFailure, runtime,
};

use super::fake::{FakeCluster, key, maybe, value};
use crate::ClientOptions;

/// A small, short-lived client for what must run into its deadline.
fn hasty() -> ClientOptions {
    ClientOptions { request_timeout_ms: 500, attempt_timeout_ms: 100, ..ClientOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_retried_with_the_same_stamp_and_applied_once() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1, 2, 3]);
    cluster.script.lock().lose_answers = 2;
    let outcome = client.set(key("k"), value("v")).await.unwrap();
    assert_eq!(outcome.revision, Revision::new(1));
    let stamps = cluster.stamps();
    assert!(stamps.len() >= 3, "{stamps:?}");
    assert!(stamps.iter().all(|stamp| *stamp == stamps[0]), "{stamps:?}");
    assert_eq!(cluster.script.lock().puts[&key("k")], 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_follows_the_leader_when_it_changes_midway() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1, 2, 3]);
    client.set(key("a"), value("1")).await.unwrap();
    {
        let mut script = cluster.script.lock();
        script.leader_after_next = Some(3);
        script.lose_answers = 1;
    }
    let outcome = client.set(key("b"), value("2")).await.unwrap();
    assert_eq!(outcome.revision, Revision::new(2));
    assert_eq!(cluster.script.lock().puts[&key("b")], 1);
    let stamps = cluster.stamps();
    assert_eq!(stamps.last().unwrap().sequence, 1);
    assert_eq!(*cluster.data_calls().last().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn without_any_peer_the_deadline_says_that_nothing_happened() {
    let cluster = FakeCluster::three();
    cluster.script.lock().down = [1, 2, 3].into();
    let client = cluster.client_with(&[1, 2, 3], hasty());
    let error = client.set(key("k"), value("v")).await.unwrap_err();
    assert_eq!(error.applied, Applied::No);
    assert!(matches!(&error.failure, WriteFailure::Timeout(text) if text.contains("refused")));
}

#[tokio::test(start_paused = true)]
async fn lost_answers_until_the_deadline_leave_the_outcome_open() {
    let cluster = FakeCluster::three();
    let client = cluster.client_with(&[1, 2, 3], hasty());
    cluster.script.lock().lose_answers = usize::MAX;
    let error = client.set(key("k"), value("v")).await.unwrap_err();
    assert_eq!(error.applied, Applied::Maybe);
    assert!(matches!(error.failure, WriteFailure::Timeout(_)), "{error:?}");
    assert_eq!(cluster.script.lock().puts[&key("k")], 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_is_left_at_the_attempts_deadline() {
    let cluster = FakeCluster::three();
    let client = cluster.client_with(&[1, 2, 3], hasty());
    cluster.gate.forget_permits(usize::MAX);
    let error = client.set(key("k"), value("v")).await.unwrap_err();
    assert_eq!(error.applied, Applied::No, "only the session was on its way: {error}");
    assert!(cluster.data_calls().len() > 1);
}

#[tokio::test(start_paused = true)]
async fn an_expired_session_is_replaced_when_the_write_was_never_sent_before() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    client.set(key("a"), value("1")).await.unwrap();
    cluster.expire_sessions();
    client.set(key("b"), value("2")).await.unwrap();
    let clients: std::collections::BTreeSet<_> =
        cluster.stamps().iter().map(|stamp| stamp.client).collect();
    assert_eq!(clients.len(), 2);
    assert_eq!(cluster.script.lock().puts[&key("b")], 1);
}

#[tokio::test(start_paused = true)]
async fn an_expired_session_after_a_lost_answer_leaves_the_outcome_open() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    client.set(key("a"), value("1")).await.unwrap();
    cluster.script.lock().refusals = vec![maybe("leader stepped down")];
    cluster.expire_sessions();
    let error = client.set(key("b"), value("2")).await.unwrap_err();
    assert_eq!(error.applied, Applied::Maybe);
    assert_eq!(error.failure, WriteFailure::Rejected(Rejection::SessionExpired));
    client.set(key("b"), value("3")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_is_left_before_the_group_drops_it() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    client.set(key("a"), value("1")).await.unwrap();
    runtime::sleep(std::time::Duration::from_millis(aspen_core::SESSION_TTL_MS)).await;
    cluster.expire_sessions();
    cluster.script.lock().lose_answers = 1;
    client.set(key("b"), value("2")).await.unwrap();
    assert_eq!(cluster.script.lock().puts[&key("b")], 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_write_settles_its_number_and_its_late_copy_is_refused() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    client.set(key("a"), value("1")).await.unwrap();
    cluster.gate.forget_permits(usize::MAX);
    let writer = client.clone();
    let write = runtime::spawn(async move { writer.set(key("b"), value("2")).await });
    while cluster.stamps().len() < 2 {
        cluster.arrived.notified().await;
    }
    write.abort();
    assert!(write.await.unwrap_err().is_cancelled());
    cluster.gate.add_permits(1_000);
    client.set(key("c"), value("3")).await.unwrap();
    let last = *cluster.stamps().last().unwrap();
    assert_eq!((last.sequence, last.settled_below), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn writes_in_flight_are_bounded() {
    let cluster = FakeCluster::three();
    let options = ClientOptions { writes_in_flight_max: 4, ..ClientOptions::default() };
    let client = cluster.client_with(&[1, 2, 3], options);
    client.set(key("warm"), value("up")).await.unwrap();
    cluster.gate.forget_permits(usize::MAX);
    let writes: Vec<_> = (0..20)
        .map(|number| {
            let client = client.clone();
            runtime::spawn(async move { client.set(key(&format!("k{number}")), value("v")).await })
        })
        .collect();
    while cluster.script.lock().in_flight_now < 4 {
        cluster.arrived.notified().await;
    }
    cluster.gate.add_permits(1_000);
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert_eq!(cluster.script.lock().in_flight_max, 4);
    assert_eq!(cluster.script.lock().puts.len(), 21);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_final_and_nothing_happened() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    let conflict = aspen_core::Conflict {
        key: key("k"),
        range: None,
        expected: Revision::new(1),
        actual: Revision::new(2),
    };
    cluster.script.lock().forced_replies = vec![Reply::Rejected(conflict.into())];
    let error = client.set(key("k"), value("v")).await.unwrap_err();
    assert_eq!((error.kind(), error.applied), (ErrorKind::Conflict, Applied::No));
    assert_eq!(cluster.stamps().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_result_is_an_error_that_says_that_it_happened() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    let dropped = Rejection::ResultDropped { revision: Revision::new(5) };
    cluster.script.lock().forced_replies = vec![Reply::Rejected(dropped)];
    let error = client.set(key("k"), value("v")).await.unwrap_err();
    assert_eq!(error.applied, Applied::Maybe);
    assert!(error.to_string().contains("the write happened at revision 5"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn transient_refusals_are_waited_out_and_final_ones_are_not() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    let refused = |failure| WriteError::not_applied(failure);
    cluster.script.lock().refusals = vec![
        refused(WriteFailure::Overloaded("busy".to_owned())),
        refused(WriteFailure::Unavailable("disk full".to_owned())),
    ];
    client.set(key("k"), value("v")).await.unwrap();
    cluster.script.lock().refusals =
        vec![refused(WriteFailure::Invalid(InvalidRequest::new("field x")))];
    let error = client.set(key("k"), value("v")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn limits_are_checked_before_anything_is_sent() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    let pairs = vec![(key("k"), value("v")); aspen_core::TRANSACTION_OPERATIONS_MAX + 1];
    let error = client.write(WriteCommand::SetMulti { pairs }).await.unwrap_err();
    assert!(error.to_string().contains("TRANSACTION_OPERATIONS_MAX"), "{error}");
    assert!(cluster.script.lock().calls.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_refuses_at_once() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    client.close().await;
    let error = client.set(key("k"), value("v")).await.unwrap_err();
    assert_eq!(error.applied, Applied::No);
    assert!(error.to_string().contains("closed"), "{error}");
}

//! Reads: retried freely, sent where they can be answered.

use aspen_core::{
    Consistency, KeyRange, KeyValueStore, ReadError, ReadRequest, Revision, ScanRequest, SqlError,
    SqlQuery, SqlRequest,
};

use super::fake::{FakeCluster, key, value};
use crate::ClientOptions;

fn read(consistency: Consistency) -> ReadRequest {
    ReadRequest { keys: vec![key("k")], consistency }
}

#[tokio::test(start_paused = true)]
async fn a_linearizable_read_finds_the_leader_by_its_hint() {
    let cluster = FakeCluster::three();
    cluster.script.lock().leader = Some(3);
    let client = cluster.client(&[1]);
    client.set(key("k"), value("v")).await.unwrap();
    assert_eq!(client.get(key("k")).await.unwrap().unwrap().value, value("v"));
    assert_eq!(*cluster.data_calls().last().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn stale_reads_are_spread_and_survive_dead_nodes() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1, 2, 3]);
    for _ in 0..6 {
        client.read(read(Consistency::Stale)).await.unwrap();
    }
    let asked: std::collections::BTreeSet<_> = cluster.data_calls().into_iter().collect();
    assert_eq!(asked, [1, 2, 3].into());
    cluster.script.lock().down = [1, 2].into();
    for _ in 0..6 {
        client.read(read(Consistency::Stale)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_past_revision_that_a_follower_lacks_is_read_at_the_leader() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1, 2, 3]);
    client.set(key("k"), value("v")).await.unwrap();
    cluster.script.lock().lagging = [(2, 0), (3, 0)].into();
    for _ in 0..4 {
        let reply = client.read(read(Consistency::AtRevision(Revision::new(1)))).await.unwrap();
        assert!(reply.values[0].is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_no_node_has_is_an_error() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1, 2, 3]);
    let error = client.read(read(Consistency::AtRevision(Revision::new(9)))).await.unwrap_err();
    assert!(matches!(error, ReadError::FutureRevision { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_read_without_a_leader_ends_at_its_deadline() {
    let cluster = FakeCluster::three();
    cluster.script.lock().leader = None;
    let options = ClientOptions { request_timeout_ms: 400, ..ClientOptions::default() };
    let client = cluster.client_with(&[1, 2, 3], options);
    let error = client.get(key("k")).await.unwrap_err();
    assert!(matches!(&error, ReadError::Timeout(text) if text.contains("not the leader")));
}

#[tokio::test(start_paused = true)]
async fn scans_are_validated_locally_and_answered() {
    let cluster = FakeCluster::three();
    let client = cluster.client(&[1]);
    let invalid = ScanRequest { limit: 0, ..ScanRequest::new(KeyRange::all()) };
    assert!(matches!(client.scan(invalid).await, Err(ReadError::Invalid(_))));
    assert!(cluster.script.lock().calls.is_empty());
    client.set(key("k"), value("v")).await.unwrap();
    assert_eq!(client.scan(ScanRequest::new(KeyRange::all())).await.unwrap().count, 1);
}

#[tokio::test(start_paused = true)]
async fn sql_follows_the_leader_and_is_validated_locally() {
    let cluster = FakeCluster::three();
    cluster.script.lock().leader = Some(2);
    let client = cluster.client(&[1]);
    let endless = SqlRequest { timeout_ms: 60_000, ..SqlRequest::new("SELECT 1") };
    let error = client.sql(endless).await.unwrap_err();
    assert!(matches!(error, SqlError::Read(ReadError::Invalid(_))), "{error}");
    assert!(cluster.script.lock().calls.is_empty());
    assert_eq!(client.sql(SqlRequest::new("SELECT 1")).await.unwrap().columns, ["n"]);
}

//! A cluster that serves, through crashes of its nodes.

use aspen_client::Client;
use aspen_core::{ErrorKind, KeyRange, KeyValueStore, NodeState, Rights, ScanRequest};
use tokio::net::TcpStream;

use crate::cluster::{
    Dirs, answer_until, await_file, free_address, get, key, serving, set, status_until, stop,
    value, voters_everywhere,
};

#[tokio::test(flavor = "multi_thread")]
async fn process_one_node_finds_everything_after_a_restart() {
    let dirs = Dirs::new();
    let node = dirs.bootstrap().await;
    let record = node.record();
    let cluster = node.cluster();
    for i in 0..100 {
        set(&node, &format!("k/{i:03}"), &i.to_string()).await;
    }
    node.shutdown().await;
    assert!(dirs.dir(1).join("ticket").exists());

    let node = serving(dirs.builder(1).bootstrap().start().await.unwrap()).await;
    assert_eq!((node.record(), node.cluster()), (record, cluster));
    let page = node.store().scan(ScanRequest::new(KeyRange::prefix("k/"))).await.unwrap();
    assert_eq!(page.entries.len(), 100);
    assert_eq!(get(&node, "k/042").await, Some(value("42")));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn process_three_nodes_outlive_any_one() {
    let dirs = Dirs::new();
    let mut nodes = dirs.three().await;
    set(&nodes[2], "before", "1").await;
    assert_eq!(get(&nodes[1], "before").await, Some(value("1")));

    nodes.remove(0).shutdown().await;
    set(&nodes[0], "without", "2").await;
    let down = |status: &aspen_core::ClusterStatus| {
        status.nodes.iter().any(|node| node.state == NodeState::Offline)
    };
    let status = status_until(&nodes[0], down).await;
    assert_eq!(status.nodes.len(), 3);

    let back = serving(dirs.builder(1).start().await.unwrap()).await;
    status_until(&back, |status| !down(status) && voters_everywhere(status, &[1, 2, 3])).await;
    assert_eq!(get(&back, "without").await, Some(value("2")));
    nodes.push(back);
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn process_a_remote_client_has_what_its_ticket_grants() {
    let dirs = Dirs::new();
    let node = dirs.bootstrap().await;
    let writer = Client::connect(&node.ticket(Rights::Write).unwrap()).await.unwrap();
    writer.set(key("k"), value("v")).await.unwrap();
    let reader = Client::connect(&node.ticket(Rights::Read).unwrap()).await.unwrap();
    assert_eq!(reader.get(key("k")).await.unwrap().unwrap().value, value("v"));
    let denied = reader.set(key("k"), value("w")).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Denied);
    let status = reader.status().await.unwrap();
    assert_eq!(status.nodes[0].version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    let file = await_file(&dirs.dir(1).join("ticket")).await;
    let admin = Client::connect(&file).await.unwrap();
    admin.delete(key("k")).await.unwrap();
    for client in [writer, reader, admin] {
        client.close().await;
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn process_the_operations_listener_answers() {
    let dirs = Dirs::new();
    let address = free_address();
    let node = dirs.builder(1).bootstrap().ops_listen(address).start().await.unwrap();
    let node = serving(node).await;
    for (path, expected) in [
        ("/health", "\"status\":\"ok\""),
        ("/ready", "\"status\":\"ok\""),
        ("/metrics", "aspen_group_is_leader{group=\"shard-0\"} 1"),
    ] {
        // A node that has just begun to serve may still be applying.
        let answer = answer_until(address, path, "200 OK").await;
        assert!(answer.contains(expected), "{answer}");
    }
    node.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err());
}

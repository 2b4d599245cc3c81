//! Peers that go and come back.

use std::sync::Arc;

use aspen_core::{Lane, NodeId, NodeRecord, Rights, runtime};
use aspen_net::{BindError, NodeNet, NodeNetOptions};

use crate::support::*;

/// Binds again as soon as the old socket is gone.
async fn start_again(options: NodeNetOptions) -> Node {
    let net: Arc<NodeNet> = until_ok(|| NodeNet::bind(options.clone())).await;
    let handler = Arc::new(Handler::default());
    net.set_cluster(CLUSTER);
    net.serve(handler.clone(), handler.clone());
    Node { net, handler }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_recover_when_a_peer_restarts_on_its_port_and_key() {
    let mut nodes = vec![start(watchful(1)).await];
    let mut kept = watchful(2);
    let second = start(kept.clone()).await;
    kept.listen = second.net.bound_addresses()[0];
    nodes.push(second);
    introduce(&nodes);
    let records: Vec<NodeRecord> = nodes.iter().map(|node| node.net.record()).collect();
    let client = client_of(&nodes[0], Rights::Read).await;
    let peer = address(&nodes[1]);
    peer_call(&nodes[0], 2, Lane::Consensus, message(KIND_ECHO, "")).await.unwrap();
    client.call(&peer, read("k"), PATIENCE).await.unwrap();

    let second = nodes.pop().unwrap();
    second.net.close().await;
    drop(second);
    until("the peer is seen offline", || !nodes[0].net.peer_online(NodeId::new(2))).await;
    assert!(client.call(&peer, read("k"), PATIENCE).await.is_err());

    let again = start_again(kept).await;
    again.net.set_peers(records);
    until_ok(|| peer_call(&nodes[0], 2, Lane::Consensus, message(KIND_ECHO, ""))).await;
    until_ok(|| peer_call(&nodes[0], 2, Lane::Bulk, message(KIND_ECHO, ""))).await;
    until_ok(|| client.call(&peer, read("k"), PATIENCE)).await;
    assert!(nodes[0].net.metrics().reconnects >= 1);
    assert!(nodes[0].net.peer_online(NodeId::new(2)));
}

#[test]
fn a_peer_that_dies_without_a_word_is_noticed_and_fails_its_calls() {
    let here = tokio::runtime::Runtime::new().unwrap();
    let there = tokio::runtime::Runtime::new().unwrap();
    let dying = there.block_on(start(watchful(2)));
    here.block_on(async {
        let node = start(watchful(1)).await;
        let nodes = [node, dying];
        introduce(&nodes);
        let [node, dying] = nodes;
        peer_call(&node, 2, Lane::Consensus, message(KIND_ECHO, "")).await.unwrap();
        let client = client_of(&node, Rights::Read).await;
        let peer = address(&dying);
        let waiting = {
            let client = Arc::clone(&client);
            runtime::spawn(async move { client.call(&peer, read("block"), PATIENCE).await })
        };
        dying.handler.blocked.notified().await;
        // Nothing of the peer runs on: no packet leaves, as after kill -9.
        there.shutdown_background();
        let error = waiting.await.unwrap().unwrap_err();
        assert!(error.may_have_happened(), "{error}");
        until("the peer is seen offline", || !node.net.peer_online(NodeId::new(2))).await;
        assert!(peer_call(&node, 2, Lane::Consensus, message(KIND_ECHO, "")).await.is_err());
        std::mem::forget(dying);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let node = start(options(1)).await;
    let taken = node.net.bound_addresses()[0];
    let error = NodeNet::bind(NodeNetOptions { listen: taken, ..options(2) }).await.err().unwrap();
    assert!(matches!(error, BindError::Socket { listen, .. } if listen == taken), "{error}");
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_node_answers_nobody_and_ends_its_calls() {
    let nodes = cluster(2).await;
    let transport = nodes[0].net.transport();
    let waiting = runtime::spawn(async move {
        let request = message(KIND_BLOCK, "");
        transport.call(NodeId::new(2), Lane::Consensus, request, PATIENCE).await
    });
    nodes[1].handler.blocked.notified().await;
    nodes[0].net.close().await;
    assert!(waiting.await.unwrap().is_err());
    assert!(peer_call(&nodes[0], 2, Lane::Consensus, message(KIND_ECHO, "")).await.is_err());
    until("the other sees it go", || !nodes[1].net.peer_online(NodeId::new(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_is_dropped_leaves_no_connection_behind() {
    let mut nodes = cluster(2).await;
    let client = client_of(&nodes[0], Rights::Read).await;
    client.call(&address(&nodes[0]), read("k"), PATIENCE).await.unwrap();
    until("the client is connected", || nodes[0].net.metrics().client_connections == 1).await;
    drop(client);
    until("the client is gone", || nodes[0].net.metrics().client_connections == 0).await;
    peer_call(&nodes[0], 2, Lane::Consensus, message(KIND_ECHO, "")).await.unwrap();
    drop(nodes.pop());
    until("the peer is gone", || !nodes[0].net.peer_online(NodeId::new(2))).await;
}

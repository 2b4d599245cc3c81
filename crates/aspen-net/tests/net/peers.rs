//! Members among themselves.

use std::time::Duration;

use aspen_core::{Lane, MESSAGE_BYTES_MAX, NodeId, PeerRejection, TransportError, runtime};
use bytes::Bytes;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn messages_round_trip_on_both_lanes_and_name_their_sender() {
    let nodes = cluster(3).await;
    for lane in [Lane::Consensus, Lane::Bulk] {
        let reply = peer_call(&nodes[0], 2, lane, message(KIND_ECHO, "hello")).await;
        assert_eq!(reply.unwrap(), Bytes::from_static(b"hello"));
    }
    peer_call(&nodes[2], 2, Lane::Consensus, message(KIND_ECHO, "")).await.unwrap();
    let senders = nodes[1].handler.peer_calls.lock().clone();
    assert_eq!(senders, [1, 1, 3].map(NodeId::new));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_handler_reaches_the_caller() {
    let nodes = cluster(2).await;
    let error = peer_call(&nodes[0], 2, Lane::Consensus, message(KIND_REJECT, "")).await;
    let rejection = PeerRejection::NoSuchGroup(aspen_core::GroupId::META);
    assert_eq!(error, Err(TransportError::Rejected { node: NodeId::new(2), rejection }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_message_delays_no_other() {
    let nodes = cluster(2).await;
    let transport = nodes[0].net.transport();
    let blocked = runtime::spawn(async move {
        let request = message(KIND_BLOCK, "slow");
        transport.call(NodeId::new(2), Lane::Consensus, request, PATIENCE).await
    });
    nodes[1].handler.blocked.notified().await;
    for _ in 0..100 {
        peer_call(&nodes[0], 2, Lane::Consensus, message(KIND_ECHO, "x")).await.unwrap();
    }
    nodes[1].handler.gate.0.add_permits(1);
    assert_eq!(blocked.await.unwrap().unwrap(), Bytes::from_static(b"slow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_message_passes_and_a_larger_one_is_not_sent() {
    let nodes = cluster(2).await;
    let largest = Bytes::from(vec![5; MESSAGE_BYTES_MAX]);
    let reply = peer_call(&nodes[0], 2, Lane::Bulk, message(KIND_ECHO, largest.clone())).await;
    assert!(reply.unwrap() == largest);
    let larger = vec![5; MESSAGE_BYTES_MAX + 1];
    let error = peer_call(&nodes[0], 2, Lane::Bulk, message(KIND_ECHO, larger)).await;
    assert_eq!(error, Err(TransportError::TooLarge { len: MESSAGE_BYTES_MAX + 1 }));
    assert_eq!(nodes[1].handler.peer_calls.lock().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_above_the_limit_becomes_a_rejection() {
    let nodes = cluster(2).await;
    let error = peer_call(&nodes[0], 2, Lane::Bulk, message(KIND_HUGE, "")).await.unwrap_err();
    assert!(error.to_string().contains("MESSAGE_BYTES_MAX"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_and_no_handler_sees_it() {
    let nodes = cluster(2).await;
    let stranger = start(options(3)).await;
    stranger.net.set_peers(vec![nodes[0].net.record(), stranger.net.record()]);
    for lane in [Lane::Consensus, Lane::Bulk] {
        let error = peer_call(&stranger, 1, lane, message(KIND_ECHO, "")).await.unwrap_err();
        let rejection = match error {
            TransportError::Rejected { rejection: PeerRejection::NotMember(reason), .. } => reason,
            other => panic!("{other}"),
        };
        assert!(rejection.contains("no member"), "{rejection}");
    }
    assert!(nodes[0].handler.peer_calls.lock().is_empty());
    assert!(nodes[0].net.metrics().rejected_connections >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_of_the_same_id_is_refused() {
    let nodes = cluster(2).await;
    let twin = start(options(2)).await;
    twin.net.set_peers(vec![nodes[0].net.record(), twin.net.record()]);
    let error = peer_call(&twin, 1, Lane::Consensus, message(KIND_ECHO, "")).await.unwrap_err();
    assert!(matches!(error, TransportError::Rejected { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_no_cluster_refuses_members() {
    let handler = std::sync::Arc::new(Handler::default());
    let idle = aspen_net::NodeNet::bind(options(2)).await.unwrap();
    idle.serve(handler.clone(), handler.clone());
    let node = start(options(1)).await;
    node.net.set_peers(vec![idle.record()]);
    idle.set_peers(vec![node.net.record()]);
    let error = peer_call(&node, 2, Lane::Consensus, message(KIND_ECHO, "")).await;
    assert!(error.is_err());
    idle.set_cluster(CLUSTER);
    until_ok(|| peer_call(&node, 2, Lane::Consensus, message(KIND_ECHO, ""))).await;
    assert_eq!(handler.peer_calls.lock().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_loses_its_connections() {
    let nodes = cluster(3).await;
    peer_call(&nodes[2], 1, Lane::Consensus, message(KIND_ECHO, "")).await.unwrap();
    nodes[2].net.call(&address(&nodes[0]), read("k"), PATIENCE).await.unwrap();
    nodes[0].net.set_peers(vec![nodes[0].net.record(), nodes[1].net.record()]);
    until("the removed member is gone", || {
        let metrics = nodes[0].net.metrics();
        metrics.peers.len() == 1 && metrics.client_connections == 0
    })
    .await;
    let error = peer_call(&nodes[2], 1, Lane::Consensus, message(KIND_ECHO, "")).await;
    assert!(error.is_err());
    let error = nodes[2].net.call(&address(&nodes[0]), read("k"), PATIENCE).await.unwrap_err();
    assert!(matches!(error, aspen_net::CallError::Denied(_)), "{error}");
    peer_call(&nodes[1], 1, Lane::Consensus, message(KIND_ECHO, "")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn members_connect_by_themselves_and_are_seen_online() {
    let nodes = cluster(3).await;
    until("everybody sees everybody", || {
        nodes.iter().all(|node| (1..=3).all(|id| node.net.peer_online(NodeId::new(id))))
    })
    .await;
    let metrics = nodes[0].net.metrics();
    assert_eq!(metrics.peers.len(), 2);
    assert!(metrics.peers.iter().all(|peer| peer.online && peer.rtt_us.is_some()));
    assert!(metrics.bytes_in > 0 && metrics.bytes_out > 0);
    assert!(!nodes[0].net.peer_online(NodeId::new(9)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passes_says_timeout() {
    let nodes = cluster(2).await;
    peer_call(&nodes[0], 2, Lane::Consensus, message(KIND_ECHO, "")).await.unwrap();
    let (request, timeout) = (message(KIND_BLOCK, ""), Duration::from_millis(50));
    let transport = nodes[0].net.transport();
    let error = transport.call(NodeId::new(2), Lane::Consensus, request, timeout).await;
    assert!(matches!(error, Err(TransportError::Timeout { .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_not_call_itself_or_an_unknown_node() {
    let nodes = cluster(2).await;
    for id in [1, 9] {
        let error = peer_call(&nodes[0], id, Lane::Consensus, message(KIND_ECHO, "")).await;
        assert!(matches!(error, Err(TransportError::Unreachable { .. })), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_listens_everywhere_tells_addresses_that_can_be_dialled() {
    let listen = "0.0.0.0:0".parse().unwrap();
    let reach = aspen_net::Reach::Lan;
    let node = start(aspen_net::NodeNetOptions { listen, reach, ..options(1) }).await;
    let port = node.net.bound_addresses()[0].port();
    let addresses = address(&node).addresses;
    assert!(!addresses.is_empty());
    assert!(addresses.iter().all(|address| !address.ip().is_unspecified()), "{addresses:?}");
    assert!(addresses.iter().any(|address| address.port() == port), "{addresses:?}");
    let told: std::net::SocketAddr = "192.0.2.1:7".parse().unwrap();
    let options = aspen_net::NodeNetOptions { advertise: vec![told], ..options(2) };
    assert_eq!(address(&start(options).await).addresses, [told]);
}

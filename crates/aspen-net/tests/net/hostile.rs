//! Peers that do not keep to the protocol, spoken to with the QUIC library itself.

use aspen_core::{Lane, Rights, runtime};
use iroh::endpoint::{Connection, ConnectionError, ReadError, ReadToEndError, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, TransportAddr};

use crate::support::*;

async fn raw_endpoint() -> Endpoint {
    let builder = Endpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled);
    let builder = builder.clear_ip_transports().bind_addr("127.0.0.1:0").unwrap();
    builder.bind().await.unwrap()
}

async fn connect(endpoint: &Endpoint, node: &Node, alpn: &[u8]) -> Connection {
    let peer = address(node);
    let id = EndpointId::from_bytes(peer.endpoint.as_bytes()).unwrap();
    let sockets = peer.addresses.into_iter().map(TransportAddr::Ip);
    endpoint.connect(EndpointAddr::from_parts(id, sockets), alpn).await.unwrap()
}

/// Opens a stream with these bytes and waits until the node ends it or the connection.
async fn send_garbage(connection: &Connection, bytes: &[u8]) {
    let Ok((mut send, mut recv)) = connection.open_bi().await else { return };
    let _ = send.write_all(bytes).await;
    let _ = send.finish();
    let ended = runtime::timeout(PATIENCE, recv.read_to_end(1 << 20)).await;
    assert!(ended.is_ok(), "the node neither answers nor ends the stream");
}

fn garbage() -> Vec<Vec<u8>> {
    vec![
        vec![],
        vec![0],
        vec![0xff; 16],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0],
        (0..=255).cycle().take(100_000).collect(),
    ]
}

async fn assert_serves(node: &Node) {
    let (client, peer) = (client_of(node, Rights::Read).await, address(node));
    let response = until_ok(|| client.call(&peer, read("k"), PATIENCE)).await;
    assert_eq!(key_of(&response), "k");
}

fn closed_with(error: &ConnectionError) -> Option<(u64, String)> {
    match error {
        ConnectionError::ApplicationClosed(cause) => {
            let reason = String::from_utf8_lossy(&cause.reason).into_owned();
            Some((cause.error_code.into_inner(), reason))
        }
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_that_send_garbage_are_closed_and_others_are_served() {
    let node = start(options(1)).await;
    let raw = raw_endpoint().await;
    for alpn in [b"aspen/client/1".as_slice(), b"aspen/join/1"] {
        for bytes in garbage() {
            let connection = connect(&raw, &node, alpn).await;
            send_garbage(&connection, &bytes).await;
            let closed = runtime::timeout(PATIENCE, connection.closed()).await.unwrap();
            // Who misses the goodbye, on a busy machine, is told by a reset.
            let is_reset = matches!(closed, ConnectionError::Reset);
            assert!(is_reset || closed_with(&closed).is_some(), "{closed}");
        }
    }
    assert_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_on_the_consensus_protocol_gets_no_stream() {
    let node = start(options(1)).await;
    let raw = raw_endpoint().await;
    for alpn in [b"aspen/raft/1".as_slice(), b"aspen/bulk/1"] {
        let connection = connect(&raw, &node, alpn).await;
        let closed = runtime::timeout(PATIENCE, connection.closed()).await.unwrap();
        let (code, reason) = closed_with(&closed).unwrap();
        assert_eq!((code, reason.as_str()), (3, "the caller's key is no member's"));
    }
    assert!(node.handler.peer_calls.lock().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stranger_is_closed_at_its_deadline() {
    let mut options = options(1);
    options.timings.handshake_timeout_ms = 200;
    let node = start(options).await;
    let raw = raw_endpoint().await;
    for alpn in [b"aspen/client/1".as_slice(), b"aspen/join/1"] {
        let connection = connect(&raw, &node, alpn).await;
        // The stream stays open and says nothing.
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        send.write_all(&[1]).await.unwrap();
        let closed = runtime::timeout(PATIENCE, connection.closed()).await.unwrap();
        assert!(closed_with(&closed).unwrap().1.contains("in time"), "{closed}");
    }
    assert_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_sends_garbage_loses_the_stream_only() {
    let mut nodes = cluster(2).await;
    // A member's key in other hands: the hello is right, what follows is not.
    let member = aspen_net::SecretKey::from_bytes([9; 32]);
    let id = aspen_core::NodeId::new(3);
    let record = aspen_core::NodeRecord { id, endpoint: member.public(), addresses: Vec::new() };
    let records: Vec<_> =
        nodes.iter().map(|node| node.net.record()).chain(std::iter::once(record)).collect();
    nodes.iter().for_each(|node| node.net.set_peers(records.clone()));
    let builder = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .secret_key(iroh::SecretKey::from_bytes(&[9; 32]))
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .unwrap();
    let raw = builder.bind().await.unwrap();
    let connection = connect(&raw, &nodes[0], b"aspen/raft/1").await;
    // Cluster (16 bytes), credential 1 (member), node 3.
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    let mut hello = CLUSTER.as_bytes().to_vec();
    hello.extend_from_slice(&[1, 3]);
    send.write_all(&u32::try_from(hello.len()).unwrap().to_le_bytes()).await.unwrap();
    send.write_all(&hello).await.unwrap();
    assert_eq!(recv.read_to_end(64).await.unwrap(), [0; 4], "an empty welcome");

    for bytes in garbage() {
        send_garbage(&connection, &bytes).await;
    }
    // The length of a request of 16 MiB, as a varint; the node does not wait for the rest.
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&[0x80, 0x80, 0x80, 0x08]).await.unwrap();
    let refused = runtime::timeout(PATIENCE, recv.read_to_end(64)).await.unwrap().unwrap_err();
    let too_large = ReadToEndError::Read(ReadError::Reset(1u32.into()));
    assert_eq!(refused, too_large, "irpc's code for an oversized message");
    assert!(connection.close_reason().is_none(), "{:?}", connection.close_reason());
    assert!(nodes[0].handler.peer_calls.lock().is_empty());
    let second = nodes.remove(1);
    peer_call(&second, 1, Lane::Consensus, message(KIND_ECHO, "")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_are_told_so() {
    let mut options = options(1);
    options.connections_max = 2;
    let node = start(options).await;
    let (first, second) =
        (client_of(&node, Rights::Read).await, client_of(&node, Rights::Read).await);
    for client in [&first, &second] {
        client.call(&address(&node), read("k"), PATIENCE).await.unwrap();
    }
    let third = client_of(&node, Rights::Read).await;
    let error = third.call(&address(&node), read("k"), PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("too many connections"), "{error}");
    first.close().await;
    let peer = address(&node);
    until_ok(|| third.call(&peer, read("k"), PATIENCE)).await;
}

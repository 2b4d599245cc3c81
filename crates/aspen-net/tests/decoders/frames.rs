//! Frames and requests on real connections, written byte by byte.

use std::sync::atomic::Ordering;

use aspen_core::{
    ClientRequest, Command, ControlRequest, GroupId, MESSAGE_BYTES_MAX, NodeRecord, ReadRequest,
    Rights, Transaction, codec, runtime,
};
use aspen_net::{BATCH_REQUESTS_MAX, Grant};
use iroh::endpoint::{Connection, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, TransportAddr};

use crate::hostile::Hostile;
use crate::support::*;

/// The key of a member in other hands.
const MEMBER_KEY: [u8; 32] = [9; 32];
const MEMBER: u64 = 3;

async fn raw_endpoint() -> Endpoint {
    let builder = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .secret_key(iroh::SecretKey::from_bytes(&MEMBER_KEY))
        .clear_ip_transports();
    builder.bind_addr("127.0.0.1:0").unwrap().bind().await.unwrap()
}

async fn connect(endpoint: &Endpoint, node: &Node, alpn: &[u8]) -> Connection {
    let peer = address(node);
    let id = EndpointId::from_bytes(peer.endpoint.as_bytes()).unwrap();
    let sockets = peer.addresses.into_iter().map(TransportAddr::Ip);
    endpoint.connect(EndpointAddr::from_parts(id, sockets), alpn).await.unwrap()
}

/// Opens a stream with these bytes and waits until the node ends it or the connection.
async fn send(connection: &Connection, bytes: &[u8]) {
    let Ok((mut send, mut recv)) = connection.open_bi().await else { return };
    let _ = send.write_all(bytes).await;
    let _ = send.finish();
    let ended = runtime::timeout(PATIENCE, recv.read_to_end(1 << 20)).await;
    assert!(ended.is_ok(), "the node neither answers nor ends the stream");
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_le_bytes(), body].concat()
}

/// The hello of a member: cluster, then the credential.
fn member_hello() -> Vec<u8> {
    let mut hello = CLUSTER.as_bytes().to_vec();
    hello.extend_from_slice(&[1, MEMBER as u8]);
    framed(&hello)
}

/// A hello with a grant whose proof is wrong: no right, expiry, nonce, proof.
fn client_hello() -> Vec<u8> {
    let mut hello = CLUSTER.as_bytes().to_vec();
    hello.extend_from_slice(&[2, 0, 0]);
    hello.extend_from_slice(&[7; 48]);
    framed(&hello)
}

/// A node that counts the key of these tests among its members.
async fn node() -> Node {
    let node = start(options(1)).await;
    let id = aspen_core::NodeId::new(MEMBER);
    let endpoint = aspen_net::SecretKey::from_bytes(MEMBER_KEY).public();
    let member = NodeRecord { id, endpoint, addresses: Vec::new() };
    node.net.set_peers(vec![node.net.record(), member]);
    // A request that was bent until it asks to wait shall not.
    node.handler.gate.0.add_permits(1 << 20);
    node
}

async fn assert_serves(node: &Node) {
    let (client, peer) = (client_of(node, Rights::Read).await, address(node));
    let response = until_ok(|| client.call(&peer, read("k"), PATIENCE)).await;
    assert_eq!(key_of(&response), "k");
}

/// A connection of the member on one of its protocols, let in.
async fn admitted(raw: &Endpoint, node: &Node, alpn: &[u8]) -> Connection {
    let connection = connect(raw, node, alpn).await;
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&member_hello()).await.unwrap();
    assert_eq!(recv.read_to_end(64).await.unwrap(), [0; 4], "an empty welcome");
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers() {
    let node = node().await;
    let raw = raw_endpoint().await;
    let mut hostile = Hostile::new(1, vec![member_hello(), client_hello(), framed(&[3; 32])]);
    for number in 0..60 {
        let alpn: &[u8] = match number % 2 {
            0 => b"aspen/client/1",
            _ => b"aspen/join/1",
        };
        let connection = connect(&raw, &node, alpn).await;
        send(&connection, &hostile.next()).await;
        connection.close(0u32.into(), b"");
    }
    assert!(node.handler.joins.lock().is_empty(), "nobody proved anything");
    assert_serves(&node).await;
}

/// A request as irpc writes it: its length, then postcard, which for small numbers is what our
/// codec writes. The service has one call, number 0.
fn request(body: &[u8]) -> Vec<u8> {
    let mut len = body.len() + 1;
    let mut bytes = Vec::new();
    while len >= 0x80 {
        bytes.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.push(0);
    bytes.extend_from_slice(body);
    bytes
}

fn peer_requests() -> Vec<Vec<u8>> {
    [message(KIND_ECHO, "payload"), message(KIND_REJECT, "")]
        .iter()
        .map(|message| request(&codec::encode(message).unwrap()))
        .collect()
}

fn client_batches() -> Vec<Vec<u8>> {
    let request_of_keys = ReadRequest::one(aspen_core::Key::try_from("k").unwrap());
    let propose = Command::Transaction(Transaction::default());
    let batch = vec![
        ClientRequest::Read { group: GroupId::META, request: request_of_keys },
        ClientRequest::Propose { group: GroupId::META, session: None, command: propose },
        ClientRequest::Control(ControlRequest::Status),
    ];
    vec![request(&codec::encode(&batch).unwrap())]
}

#[tokio::test(flavor = "multi_thread")]
async fn members() {
    let node = node().await;
    let raw = raw_endpoint().await;
    for (seed, alpn) in [(2, b"aspen/raft/1".as_slice()), (3, b"aspen/bulk/1")] {
        let connection = admitted(&raw, &node, alpn).await;
        let before = node.handler.peer_calls.lock().len();
        for good in peer_requests() {
            send(&connection, &good).await;
        }
        assert_eq!(node.handler.peer_calls.lock().len(), before + 2, "good requests arrive");
        let mut hostile = Hostile::new(seed, peer_requests());
        for _ in 0..300 {
            send(&connection, &hostile.next()).await;
        }
        assert!(connection.close_reason().is_none(), "{:?}", connection.close_reason());
        connection.close(0u32.into(), b"");
    }
    assert_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients() {
    let node = node().await;
    let raw = raw_endpoint().await;
    let mut hostile = Hostile::new(4, client_batches());
    let mut connection = admitted(&raw, &node, b"aspen/client/1").await;
    for good in client_batches() {
        send(&connection, &good).await;
    }
    assert_eq!(node.handler.requests.load(Ordering::SeqCst), 3, "good requests arrive");
    for _ in 0..600 {
        send(&connection, &hostile.next()).await;
        if connection.close_reason().is_some() {
            connection = admitted(&raw, &node, b"aspen/client/1").await;
        }
    }
    assert_serves(&node).await;
}

/// Resident memory of this process at its highest, in bytes.
fn peak_resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

/// A batch of so many requests for the status: their number as a varint of five bytes, then two
/// bytes each.
fn statuses(count: usize) -> Vec<u8> {
    let mut body: Vec<u8> = (0..5).map(|at| (count >> (7 * at) & 0x7f) as u8 | 0x80).collect();
    body[4] &= 0x7f;
    body.extend([3, 0].repeat(count));
    request(&body)
}

/// A batch may hold 128 requests; one that announces more must not be taken apart first.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_takes_memory_in_proportion() {
    let node = node().await;
    let raw = raw_endpoint().await;
    let connection = admitted(&raw, &node, b"aspen/client/1").await;
    send(&connection, &statuses(BATCH_REQUESTS_MAX)).await;
    for count in [BATCH_REQUESTS_MAX + 1, 100_000, (MESSAGE_BYTES_MAX - 64) / 2] {
        let connection = admitted(&raw, &node, b"aspen/client/1").await;
        let before = peak_resident_bytes();
        let flood = statuses(count);
        send(&connection, &flood).await;
        let grown = peak_resident_bytes().saturating_sub(before);
        assert!(grown < (64 << 20) + 8 * flood.len(), "{count}: {grown} bytes");
        assert_eq!(node.handler.requests.load(Ordering::SeqCst), BATCH_REQUESTS_MAX);
    }
    assert_serves(&node).await;
}

/// The grant of a ticket is opened by its secret alone.
#[tokio::test(flavor = "multi_thread")]
async fn grants_that_were_bent_open_nothing() {
    let node = node().await;
    let grant = node.net.issue_grant(Rights::Read, None).unwrap();
    let good = codec::encode(&grant).unwrap();
    let (mut tried, mut at) = (0, 0);
    while at < good.len() {
        let mut bent = good.to_vec();
        bent[at] ^= 1;
        at += 5;
        let Ok(grant) = codec::decode::<Grant>(&bent) else { continue };
        let client = client(&ticket(&node, Some(grant))).await;
        let refused = client.call(&address(&node), read("k"), PATIENCE).await.unwrap_err();
        assert!(refused.to_string().contains("grant"), "byte {at}: {refused}");
        client.close().await;
        tried += 1;
    }
    assert!(tried > 5, "{tried}");
}

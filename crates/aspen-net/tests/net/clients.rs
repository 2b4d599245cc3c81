//! Clients and nodes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aspen_core::{
    ClientRequest, ClientResponse, ClusterId, ControlRequest, ErrorKind, GroupId, Key,
    MESSAGE_BYTES_MAX, ReadRequest, Reply, Rights, WriteCommand, runtime,
};
use aspen_net::{CallError, ClientNet, Cookie, NodeNet, NodeNetOptions, PeerAddress, Ticket};

use crate::support::*;

async fn denial(client: &ClientNet, peer: &PeerAddress) -> String {
    match client.call(peer, read("k"), PATIENCE).await {
        Err(CallError::Denied(reason)) => reason,
        other => panic!("not denied: {other:?}"),
    }
}

async fn until_denied(client: &ClientNet, peer: &PeerAddress) -> String {
    let waited = runtime::timeout(PATIENCE, async {
        loop {
            match client.call(peer, read("k"), PATIENCE).await {
                Err(CallError::Denied(reason)) => return reason,
                _ => runtime::sleep(Duration::from_millis(20)).await,
            }
        }
    });
    waited.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_gives_its_rights_and_no_more() {
    let node = start(options(1)).await;
    for rights in [Rights::Read, Rights::Write, Rights::Admin] {
        let client = client_of(&node, rights).await;
        let response = client.call(&address(&node), read("k"), PATIENCE).await.unwrap();
        assert_eq!(key_of(&response), "k");
        assert_eq!(node.handler.callers.lock().last().unwrap().rights, rights);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_request_gets_its_answer() {
    let node = start(options(1)).await;
    let (client, peer) = (client_of(&node, Rights::Admin).await, address(&node));
    let write = WriteCommand::Delete { key: Key::try_from("k").unwrap() };
    let command = aspen_core::Command::Transaction(write.into_transaction().unwrap());
    let propose = ClientRequest::Propose { group: GroupId::META, session: None, command };
    let response = client.call(&peer, propose, PATIENCE).await.unwrap();
    assert_eq!(response, ClientResponse::Propose(Ok(Reply::SessionOpen)));
    let control = ClientRequest::Control(ControlRequest::Ticket);
    let response = client.call(&peer, control, PATIENCE).await.unwrap();
    assert!(matches!(response, ClientResponse::Control(Ok(_))));
    let response = client.call(&peer, stale_read("s"), PATIENCE).await.unwrap();
    assert_eq!(key_of(&response), "s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_without_a_grant_is_denied() {
    let node = start(options(1)).await;
    let client = client(&ticket(&node, None)).await;
    let reason = denial(&client, &address(&node)).await;
    assert!(reason.contains("no grant"), "{reason}");
    assert_eq!(node.handler.batches.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_grant_is_denied_at_the_door_and_on_an_open_connection() {
    let node = start(options(1)).await;
    let peer = address(&node);
    let expired = node.net.issue_grant(Rights::Read, Some(0)).unwrap();
    let late = client(&ticket(&node, Some(expired))).await;
    let reason = denial(&late, &peer).await;
    assert!(reason.contains("expired"), "{reason}");

    // On a busy machine a short grant may end before its first use; then a longer one is tried.
    for ttl_ms in [500, 2_000, 8_000, 30_000] {
        let grant = node.net.issue_grant(Rights::Read, Some(ttl_ms)).unwrap();
        let client = client(&ticket(&node, Some(grant))).await;
        if client.call(&peer, read("k"), PATIENCE).await.is_ok() {
            let reason = until_denied(&client, &peer).await;
            return assert!(reason.contains("expired"), "{reason}");
        }
    }
    panic!("no grant lived long enough to be used");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_of_another_cluster_is_denied_by_name() {
    let node = start(options(1)).await;
    let foreign_options = NodeNetOptions { cookie: Cookie::new("other").unwrap(), ..options(1) };
    let foreign = NodeNet::bind(foreign_options).await.unwrap();
    let other = ClusterId::new([8; 16]);
    foreign.set_cluster(other);
    let grant = foreign.issue_grant(Rights::Admin, None).unwrap();

    let named = Ticket { cluster: other, ..ticket(&node, Some(grant.clone())) };
    let reason = denial(&*client(&named).await, &address(&node)).await;
    assert!(reason.contains(&other.to_string()) && reason.contains(&CLUSTER.to_string()));
    // The right name does not help a grant made with another cookie.
    let renamed = ticket(&node, Some(grant));
    let reason = denial(&*client(&renamed).await, &address(&node)).await;
    assert!(reason.contains("not of this cluster"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_with_raised_rights_is_denied() {
    let node = start(options(1)).await;
    let grant = node.net.issue_grant(Rights::Read, None).unwrap();
    let text = aspen_core::codec::encode(&grant).unwrap();
    // The rights are the first field, and the only byte that differs between these.
    let mut raised = text.to_vec();
    raised[0] = aspen_core::codec::encode(&Rights::Admin).unwrap()[0];
    let raised: aspen_net::Grant = aspen_core::codec::decode(&raised).unwrap();
    assert_eq!(raised.rights(), Rights::Admin);
    let reason = denial(&*client(&ticket(&node, Some(raised))).await, &address(&node)).await;
    assert!(reason.contains("altered"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_call_with_all_rights_and_strangers_do_not() {
    let nodes = cluster(2).await;
    let response = nodes[0].net.call(&address(&nodes[1]), read("k"), PATIENCE).await.unwrap();
    assert_eq!(key_of(&response), "k");
    let caller = *nodes[1].handler.callers.lock().last().unwrap();
    assert_eq!(caller.rights, Rights::Admin);
    assert_eq!(caller.endpoint, nodes[0].net.record().endpoint);
    let stranger = start(options(3)).await;
    let error = stranger.net.call(&address(&nodes[1]), read("k"), PATIENCE).await.unwrap_err();
    assert!(matches!(error, CallError::Denied(_)), "{error}");
}

// On one thread, so that every call has joined the queue before a batch takes any.
#[tokio::test]
async fn concurrent_calls_share_batches_and_get_their_own_answers() {
    let node = start(options(1)).await;
    let (client, peer) = (client_of(&node, Rights::Read).await, address(&node));
    // Two batches that do not return make what comes after them wait, and so coalesce.
    let mut blocked = Vec::new();
    for _ in 0..2 {
        let (client, peer) = (Arc::clone(&client), peer.clone());
        blocked
            .push(runtime::spawn(async move { client.call(&peer, read("block"), PATIENCE).await }));
        node.handler.blocked.notified().await;
    }
    let calls = (0..256).map(|n| {
        let (client, peer) = (Arc::clone(&client), peer.clone());
        async move {
            let key = format!("key-{n}");
            let response = client.call(&peer, read(&key), PATIENCE).await.unwrap();
            assert_eq!(key_of(&response), key);
        }
    });
    // Polled once, every call has joined the queue.
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    for call in &mut calls {
        assert!(futures_util::poll!(call.as_mut()).is_pending());
    }
    futures_util::future::join_all(calls).await;
    node.handler.gate.0.add_permits(2);
    futures_util::future::join_all(blocked).await;
    assert_eq!(node.handler.requests.load(Ordering::SeqCst), 258);
    assert_eq!(node.handler.batches.load(Ordering::SeqCst), 2 + 2, "256 calls fill two batches");
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_do_not_wait_for_each_other() {
    let node = start(options(1)).await;
    let (client, peer) = (client_of(&node, Rights::Read).await, address(&node));
    let mut blocked = Vec::new();
    for _ in 0..2 {
        let (client, peer) = (Arc::clone(&client), peer.clone());
        blocked
            .push(runtime::spawn(async move { client.call(&peer, read("block"), PATIENCE).await }));
        node.handler.blocked.notified().await;
    }
    client.call(&peer, stale_read("k"), PATIENCE).await.unwrap();
    let control = ClientRequest::Control(ControlRequest::Status);
    client.call(&peer, control, PATIENCE).await.unwrap();
    // What waits behind the blocked lane was surely not sent.
    let error = client.call(&peer, read("k"), Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable(_)) && !error.may_have_happened(), "{error}");
    node.handler.gate.0.add_permits(2);
    futures_util::future::join_all(blocked).await;
    client.call(&peer, read("k"), PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sent_call_that_is_not_answered_in_time_may_have_happened() {
    let node = start(options(1)).await;
    let (client, peer) = (client_of(&node, Rights::Read).await, address(&node));
    client.call(&peer, read("k"), PATIENCE).await.unwrap();
    let error = client.call(&peer, read("block"), Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(error, CallError::Timeout);
    assert!(error.may_have_happened());
    node.handler.gate.0.add_permits(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_larger_than_a_message_together_arrive_in_several() {
    let node = start(options(1)).await;
    let (client, peer) = (client_of(&node, Rights::Read).await, address(&node));
    let calls = (0..32).map(|n| {
        let (client, peer) = (Arc::clone(&client), peer.clone());
        async move {
            let key = format!("big-{n}");
            let response = client.call(&peer, read(&key), PATIENCE).await.unwrap();
            assert_eq!(key_of(&response), key);
        }
    });
    futures_util::future::join_all(calls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_request_is_not_sent_and_an_oversized_answer_is_an_error() {
    let node = start(options(1)).await;
    let (client, peer) = (client_of(&node, Rights::Read).await, address(&node));
    let long = Key::new(vec![b'k'; aspen_core::KEY_BYTES_MAX]).unwrap();
    let request = ReadRequest { keys: vec![long; 2_000], ..ReadRequest::one(key("k")) };
    let request = ClientRequest::Read { group: GroupId::META, request };
    let error = client.call(&peer, request, PATIENCE).await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge { len } if len > MESSAGE_BYTES_MAX));
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(node.handler.requests.load(Ordering::SeqCst), 0);

    let request = ReadRequest { keys: vec![key("big"); 11], ..ReadRequest::one(key("k")) };
    let request = ClientRequest::Read { group: GroupId::META, request };
    let response = client.call(&peer, request, PATIENCE).await.unwrap();
    let ClientResponse::Read(Err(error)) = response else { panic!("{response:?}") };
    assert!(error.to_string().contains("MESSAGE_BYTES_MAX"), "{error}");
    client.call(&peer, read("k"), PATIENCE).await.unwrap();
}

fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_address_is_unreachable_and_so_is_somebody_else() {
    let node = start(options(1)).await;
    let client = client_of(&node, Rights::Read).await;
    let elsewhere = start(options(2)).await;
    let swapped = PeerAddress { addresses: address(&elsewhere).addresses, ..address(&node) };
    let nowhere = PeerAddress { addresses: Vec::new(), ..address(&node) };
    for peer in [swapped, nowhere] {
        let error = client.call(&peer, read("k"), PATIENCE).await.unwrap_err();
        assert!(matches!(error, CallError::Unreachable(_)), "{error}");
    }
    assert_eq!(elsewhere.handler.requests.load(Ordering::SeqCst), 0);
    // The right address ends the pause after the failures.
    let peer = address(&node);
    until_ok(|| client.call(&peer, read("k"), PATIENCE)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closes_fails_its_calls() {
    let node = start(options(1)).await;
    let (client, peer) = (client_of(&node, Rights::Read).await, address(&node));
    let waiting = {
        let (client, peer) = (Arc::clone(&client), peer.clone());
        runtime::spawn(async move { client.call(&peer, read("block"), PATIENCE).await })
    };
    node.handler.blocked.notified().await;
    client.close().await;
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.may_have_happened(), "{error}");
    assert!(client.call(&peer, read("k"), PATIENCE).await.is_err());
    until("the node forgets the client", || node.net.metrics().connections == 0).await;
}

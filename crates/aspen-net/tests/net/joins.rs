//! Processes that want to become nodes.

use aspen_core::{JoinReply, JoinRequest, NodeId};
use aspen_net::{Cookie, JoinError, NodeNet, NodeNetOptions};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_the_cookie_is_let_in() {
    let node = start(options(1)).await;
    let joiner = NodeNet::bind(options(2)).await.unwrap();
    let request = JoinRequest { node: joiner.record(), cluster: None };
    let reply = joiner.join(&address(&node), request.clone(), PATIENCE).await.unwrap();
    assert_eq!(reply, JoinReply::Welcome { cluster: CLUSTER, nodes: vec![joiner.record()] });
    assert_eq!(*node.handler.joins.lock(), [request]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cookie_is_refused_with_what_to_do() {
    let node = start(options(1)).await;
    let other = NodeNetOptions { cookie: Cookie::new("wrong").unwrap(), ..options(2) };
    let joiner = NodeNet::bind(other).await.unwrap();
    let request = JoinRequest { node: joiner.record(), cluster: None };
    let error = joiner.join(&address(&node), request, PATIENCE).await.unwrap_err();
    assert_eq!(error, JoinError::CookieMismatch);
    assert!(error.to_string().contains("start this node with the cookie"), "{error}");
    assert!(node.handler.joins.lock().is_empty());
    until("the refusal is counted", || node.net.metrics().rejected_connections == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_another_key_is_refused() {
    let node = start(options(1)).await;
    let joiner = NodeNet::bind(options(2)).await.unwrap();
    let mut record = joiner.record();
    record.endpoint = node.net.record().endpoint;
    let request = JoinRequest { node: record, cluster: None };
    let reply = joiner.join(&address(&node), request, PATIENCE).await.unwrap();
    assert!(matches!(reply, JoinReply::Refused(ref text) if text.contains("key")), "{reply:?}");
    assert!(node.handler.joins.lock().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_not_there_is_unreachable() {
    let node = start(options(1)).await;
    let gone = address(&node);
    node.net.close().await;
    let joiner = NodeNet::bind(watchful(2)).await.unwrap();
    let request = JoinRequest { node: joiner.record(), cluster: None };
    let error = joiner.join(&gone, request, PATIENCE).await.unwrap_err();
    assert!(matches!(error, JoinError::Unreachable(_)), "{error}");
    assert_eq!(joiner.record().id, NodeId::new(2));
}

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use aspen_core::{
    Applied, Caller, ClientRequest, ClientResponse, Command, ErrorKind, GroupId, Key, Operation,
    Reply, Rights, ShardId, Transaction, Value, WriteError, runtime,
};

use super::Node;
use crate::compose::DiskProbe;
use crate::disk_guard::DiskLevel;
use crate::{Config, SecretText};

struct Dial(AtomicU8);

impl DiskProbe for Dial {
    fn used_percent(&self) -> std::io::Result<u8> {
        Ok(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn process_a_full_disk_stops_puts_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        id: 1,
        dir: dir.path().join("node"),
        cookie: SecretText::new("secret"),
        bootstrap: true,
        disk_check_ms: 10,
        ..Config::default()
    };
    let dial = Arc::new(Dial(AtomicU8::new(50)));
    let node = Node::start_with(config, Some(dial.clone())).await.unwrap();
    let store = node.store();
    let (key, value) = (Key::try_from("k").unwrap(), Value::try_from("v").unwrap());
    store.set(key.clone(), value.clone()).await.unwrap();

    dial.0.store(96, Ordering::Relaxed);
    wait_for(&node, DiskLevel::Full).await;
    let error = propose(&node, Operation::put(key.clone(), value.clone())).await.unwrap_err();
    assert_eq!((error.kind(), error.applied), (ErrorKind::Unavailable, Applied::No), "{error}");
    assert!(error.to_string().contains("96 %"), "{error}");
    assert!(store.get(key.clone()).await.unwrap().is_some());
    store.delete(key.clone()).await.unwrap();

    dial.0.store(50, Ordering::Relaxed);
    wait_for(&node, DiskLevel::Normal).await;
    store.set(key, value).await.unwrap();
    node.shutdown().await;
}

/// A write without the retries that a client makes.
async fn propose(node: &Node, operation: Operation) -> Result<Reply, WriteError> {
    let transaction = Transaction { success: vec![operation], ..Transaction::default() };
    let request = ClientRequest::Propose {
        group: GroupId::shard(ShardId::new(0)),
        session: None,
        command: Command::Transaction(transaction),
    };
    let caller = Caller { endpoint: node.composed.core().endpoint, rights: Rights::Write };
    let answers = node.composed.requests().handle(caller, vec![request]).await;
    match answers.into_iter().next() {
        Some(ClientResponse::Propose(result)) => result,
        other => panic!("{other:?}"),
    }
}

async fn wait_for(node: &Node, level: DiskLevel) {
    let seen = async {
        while node.composed.core().guard.level() != level {
            runtime::sleep(Duration::from_millis(5)).await;
        }
    };
    runtime::timeout(Duration::from_secs(60), seen).await.unwrap();
}

//! Nodes in this process, each with a directory of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aspen_core::{ClusterStatus, Key, Rights, Value, runtime};
use aspen_node::{Config, Node, NodeBuilder, start_logging};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long anything may take; reached only when something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const COOKIE: &str = "a cookie for tests";

/// Directories for the nodes of a cluster.
pub(crate) struct Dirs {
    root: TempDir,
}

impl Dirs {
    /// With `ASPEN_TEST_LOG` set to a log filter, the nodes' logs go to standard error.
    pub(crate) fn new() -> Self {
        if let Ok(log_filter) = std::env::var("ASPEN_TEST_LOG") {
            start_logging(&Config { log_filter, ..Config::default() }).unwrap();
        }
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn dir(&self, id: u64) -> PathBuf {
        self.root.path().join(format!("node-{id}"))
    }

    /// A node that elects and notices sooner than the defaults, to keep tests short.
    pub(crate) fn builder(&self, id: u64) -> NodeBuilder {
        NodeBuilder::new(id, self.dir(id)).cookie(COOKIE).configure(|config| {
            config.heartbeat_ms = 150;
            config.election_ms_min = 600;
            config.election_ms_max = 1_200;
            config.join_timeout_ms = 30_000;
        })
    }

    /// The first node of a cluster, serving.
    pub(crate) async fn bootstrap(&self) -> Node {
        serving(self.builder(1).bootstrap().start().await.unwrap()).await
    }

    /// Three nodes, all of them voters everywhere.
    pub(crate) async fn three(&self) -> Vec<Node> {
        self.three_with(|builder| builder).await
    }

    /// The same, the third with a change.
    pub(crate) async fn three_with(
        &self,
        change: impl FnOnce(NodeBuilder) -> NodeBuilder,
    ) -> Vec<Node> {
        let first = self.bootstrap().await;
        let ticket = first.ticket(Rights::Admin).unwrap();
        let second = self.builder(2).join(ticket.clone()).start().await.unwrap();
        let third = change(self.builder(3).join(ticket)).start().await.unwrap();
        status_until(&first, |status| voters_everywhere(status, &[1, 2, 3])).await;
        vec![first, second, third]
    }
}

pub(crate) async fn serving(node: Node) -> Node {
    node.wait_until_serving(PATIENCE).await.unwrap();
    node
}

pub(crate) fn voters_everywhere(status: &ClusterStatus, wanted: &[u64]) -> bool {
    status.groups.iter().all(|group| {
        let mut voters: Vec<u64> = group.metrics.voters.iter().map(|node| node.get()).collect();
        voters.sort_unstable();
        voters == wanted
    })
}

/// Asks until the status is as wished.
pub(crate) async fn status_until(
    node: &Node,
    wished: impl Fn(&ClusterStatus) -> bool,
) -> ClusterStatus {
    let waited = runtime::timeout(PATIENCE, async {
        loop {
            match node.status().await {
                Ok(status) if wished(&status) => return status,
                _ => runtime::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    match waited.await {
        Ok(status) => status,
        Err(_) => panic!("the status stays {:#?}", node.status().await),
    }
}

pub(crate) fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

pub(crate) fn value(text: &str) -> Value {
    Value::try_from(text).unwrap()
}

pub(crate) async fn set(node: &Node, at: &str, to: &str) {
    node.store().set(key(at), value(to)).await.unwrap();
}

pub(crate) async fn get(node: &Node, at: &str) -> Option<Value> {
    node.store().get(key(at)).await.unwrap().map(|entry| entry.value)
}

pub(crate) async fn stop(nodes: impl IntoIterator<Item = Node>) {
    for node in nodes {
        node.shutdown().await;
    }
}

/// Reads a file that is written sooner or later, whole.
pub(crate) async fn await_file(path: &Path) -> String {
    let read = runtime::timeout(PATIENCE, async {
        loop {
            match std::fs::read_to_string(path) {
                Ok(text) => return text,
                Err(_) => runtime::sleep(Duration::from_millis(20)).await,
            }
        }
    });
    read.await.unwrap()
}

/// A loopback address whose port was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// What the operations listener answers.
async fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Asks until the answer has a status.
pub(crate) async fn answer_until(address: SocketAddr, path: &str, status: &str) -> String {
    let asked = runtime::timeout(PATIENCE, async {
        loop {
            let answer = ask(address, path).await;
            if answer.starts_with(&format!("HTTP/1.1 {status}")) {
                return answer;
            }
            runtime::sleep(Duration::from_millis(50)).await;
        }
    });
    match asked.await {
        Ok(answer) => answer,
        Err(_) => panic!("{path} stays {}", ask(address, path).await),
    }
}

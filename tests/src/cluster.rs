//! Nodes as processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aspen_client::Client;
use aspen_core::{ClusterStatus, NodeId};
use tempfile::TempDir;

use crate::program;

/// How long a cluster may take to reach an expected state; generous, for two busy cores.
const SETTLE: Duration = Duration::from_secs(60);

/// One node's process.
pub struct NodeProcess {
    id: u64,
    directory: PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
}

/// A cluster of processes with its own directory; everything is killed and removed on drop.
pub struct ProcessCluster {
    directory: TempDir,
    nodes: Vec<NodeProcess>,
}

impl NodeProcess {
    fn new(root: &Path, id: u64) -> Self {
        let directory = root.join(format!("node-{id}"));
        let mut arguments = vec![
            "--id".to_owned(),
            id.to_string(),
            "--dir".to_owned(),
            directory.display().to_string(),
            "--listen".to_owned(),
            "127.0.0.1:0".to_owned(),
        ];
        if id == 1 {
            arguments.push("--bootstrap".to_owned());
        } else {
            arguments.push("--join-file".to_owned());
            arguments.push(root.join("node-1/ticket").display().to_string());
        }
        Self { id, directory, arguments, child: None }
    }

    fn start(&mut self) {
        std::fs::create_dir_all(&self.directory).unwrap();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.join("log"))
            .unwrap();
        let child = Command::new(program("aspen-node"))
            .args(&self.arguments)
            .env("ASPEN_COOKIE", "process-test")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Kills the process with SIGKILL and waits until it is gone.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl ProcessCluster {
    /// Starts `count` nodes and waits until every group has a leader and `count` voters.
    pub async fn start(count: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let nodes = (1..=count).map(|id| NodeProcess::new(directory.path(), id)).collect();
        let mut cluster = Self { directory, nodes };
        for node in &mut cluster.nodes {
            node.start();
        }
        cluster.wait_settled().await;
        cluster
    }

    /// The directory that holds every node's directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The ticket that a node wrote when it began to serve.
    pub fn ticket(&self) -> String {
        let path = self.directory.path().join("node-1/ticket");
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// A client that knows every node.
    pub async fn client(&self) -> Client {
        Client::connect(&self.ticket()).await.unwrap()
    }

    /// Kills a node with SIGKILL.
    pub fn kill(&mut self, id: u64) {
        self.node(id).kill();
    }

    /// Starts a node that was killed.
    pub fn restart(&mut self, id: u64) {
        self.node(id).start();
    }

    /// What the nodes printed, for a failing test.
    pub fn logs(&self) -> String {
        self.nodes.iter().map(|node| tail(&node.directory.join("log"))).collect()
    }

    fn node(&mut self, id: u64) -> &mut NodeProcess {
        self.nodes.iter_mut().find(|node| node.id == id).unwrap()
    }

    /// Waits until every group has a leader and every node is a voter that has all of the log.
    pub async fn wait_settled(&self) {
        let deadline = Instant::now() + SETTLE;
        let mut last = String::from("no node has served yet");
        while Instant::now() < deadline {
            match self.settled().await {
                Ok(()) => return,
                Err(reason) => last = reason,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the cluster did not settle: {last}\n{}", self.logs());
    }

    async fn settled(&self) -> Result<(), String> {
        let path = self.directory.path().join("node-1/ticket");
        let ticket = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let client = Client::connect(ticket.trim()).await.map_err(|error| error.to_string())?;
        let status = client.status().await.map_err(|error| error.to_string());
        client.close().await;
        self.check(&status?)
    }

    fn check(&self, status: &ClusterStatus) -> Result<(), String> {
        let voters: Vec<NodeId> = self.nodes.iter().map(|node| NodeId::new(node.id)).collect();
        let settled = status.groups.len() >= 2
            && status.groups.iter().all(|group| {
                let metrics = &group.metrics;
                metrics.leader.is_some()
                    && metrics.voters == voters
                    && metrics.replication.values().all(|progress| progress.lag_entries == 0)
            });
        if settled { Ok(()) } else { Err(format!("{status:?}")) }
    }
}

impl Drop for ProcessCluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.kill();
        }
    }
}

fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(30);
    format!("--- {}\n{}\n", path.display(), lines[from..].join("\n"))
}

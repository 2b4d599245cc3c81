//! Nodes as processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use aspen_client::{Client, ClientOptions, Ticket};
use aspen_core::{ClusterStatus, ControlRequest, EndpointKey, GroupId, NodeId};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::program;

/// How long a cluster may take to reach an expected state; generous, for two busy cores.
const SETTLE: Duration = Duration::from_secs(60);

/// How often to look whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long one node may take to answer; it waits for others that do not.
const ANSWER_TIMEOUT_MS: u64 = 2_500;

/// The group that holds keys and values.
const DATA: GroupId = GroupId::from_raw(1);

/// Settings of a node beyond those that every node has, as flags.
type Arguments = Box<dyn Fn(u64) -> Vec<String> + Send + Sync>;

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
    arguments: Arguments,
    nodes: Vec<NodeProcess>,
}

impl NodeProcess {
    fn new(id: u64, directory: PathBuf, origin: Vec<String>, more: Vec<String>) -> Self {
        let named = ["--id", &id.to_string(), "--dir", &directory.display().to_string()];
        let mut arguments: Vec<String> = named.map(str::to_owned).into();
        if !more.iter().any(|argument| argument == "--listen") {
            arguments.extend(["--listen", "127.0.0.1:0"].map(str::to_owned));
        }
        arguments.extend(origin);
        arguments.extend(more);
        Self { id, directory, arguments, child: None }
    }

    fn start(&mut self) {
        std::fs::create_dir_all(&self.directory).unwrap();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.join("log"))
            .unwrap();
        let mut command = Command::new(program("aspen-node"));
        // Those of a test are not the node's, which would refuse them.
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names.filter(|name| name.to_string_lossy().starts_with("ASPEN_")) {
            command.env_remove(name);
        }
        let child = command
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

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until the process has ended by itself; `None` when it does not.
    async fn ended(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + SETTLE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                return Some(status);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        None
    }
}

impl ProcessCluster {
    /// Starts `count` nodes and waits until every group has a leader and `count` voters.
    pub async fn start(count: u64) -> Self {
        Self::start_with(count, |_| Vec::new()).await
    }

    /// The same, each node with more flags.
    pub async fn start_with(
        count: u64,
        arguments: impl Fn(u64) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        let mut cluster = Self::new(arguments);
        cluster.launch(count).await;
        cluster
    }

    /// A cluster of no nodes yet: its directory is there and can be prepared.
    pub fn new(arguments: impl Fn(u64) -> Vec<String> + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, arguments: Box::new(arguments), nodes: Vec::new() }
    }

    /// Starts the first `count` nodes and waits until every group has a leader and as many voters.
    pub async fn launch(&mut self, count: u64) {
        (1..=count).for_each(|id| self.add(id));
        self.wait_settled().await;
    }

    /// Starts one more node, which joins the others. The first one ever founds the cluster.
    pub fn add(&mut self, id: u64) {
        let origin = match self.nodes.first() {
            None => vec!["--bootstrap".to_owned()],
            Some(known) => {
                let ticket = known.directory.join("ticket").display().to_string();
                vec!["--join-file".to_owned(), ticket]
            }
        };
        let directory = self.node_directory(id);
        let mut node = NodeProcess::new(id, directory, origin, (self.arguments)(id));
        node.start();
        self.nodes.push(node);
    }

    /// Takes a node out of the cluster for good and ends its process.
    pub async fn remove(&mut self, id: u64) {
        let request = ControlRequest::RemoveNode { node: NodeId::new(id) };
        let deadline = Instant::now() + SETTLE;
        loop {
            let client = self.client().await;
            let removed = client.control(request.clone()).await;
            client.close().await;
            match removed {
                Ok(_) => break,
                Err(error) if Instant::now() > deadline => self.fail(&format!("{error}")),
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
        self.kill(id);
        self.nodes.retain(|node| node.id != id);
    }

    /// The directory that holds every node's directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The data directory of a node.
    pub fn node_directory(&self, id: u64) -> PathBuf {
        self.directory.path().join(format!("node-{id}"))
    }

    /// The ids of the nodes that belong to the cluster, running or not.
    pub fn ids(&self) -> Vec<u64> {
        self.nodes.iter().map(|node| node.id).collect()
    }

    /// The ticket that a node wrote when it began to serve: the one that names the most nodes.
    pub fn ticket(&self) -> String {
        self.find_ticket().unwrap()
    }

    fn find_ticket(&self) -> Result<String, String> {
        let read = |node: &NodeProcess| std::fs::read_to_string(node.directory.join("ticket")).ok();
        let tickets = self.nodes.iter().filter_map(read).map(|text| text.trim().to_owned());
        tickets.max_by_key(String::len).ok_or_else(|| "no node has served yet".to_owned())
    }

    /// A client that knows every node.
    pub async fn client(&self) -> Client {
        Client::connect(&self.ticket()).await.unwrap()
    }

    /// Kills a node with SIGKILL.
    pub fn kill(&mut self, id: u64) {
        self.node(id).kill();
    }

    /// Kills every node with SIGKILL.
    pub fn kill_all(&mut self) {
        self.nodes.iter_mut().for_each(NodeProcess::kill);
    }

    /// Stops a node in order, with SIGTERM, and checks that it ends well.
    pub async fn terminate(&mut self, id: u64) {
        self.node(id).signal(Signal::TERM);
        self.await_end(id).await;
    }

    /// Stops every node in order, all at once.
    pub async fn terminate_all(&mut self) {
        self.nodes.iter().for_each(|node| node.signal(Signal::TERM));
        for id in self.ids() {
            self.await_end(id).await;
        }
    }

    async fn await_end(&mut self, id: u64) {
        match self.node(id).ended().await {
            Some(status) if status.success() => {}
            Some(status) => self.fail(&format!("node {id} ended with {status}")),
            None => self.fail(&format!("node {id} did not stop")),
        }
    }

    /// Freezes a node's process: it neither runs nor ends, and its connections stay open.
    pub fn pause(&mut self, id: u64) {
        self.node(id).signal(Signal::STOP);
    }

    /// Lets a frozen node go on as if no time had passed for it.
    pub fn resume(&mut self, id: u64) {
        self.node(id).signal(Signal::CONT);
    }

    /// Starts a node that was killed.
    pub fn restart(&mut self, id: u64) {
        self.node(id).start();
    }

    /// Starts every node again.
    pub fn restart_all(&mut self) {
        self.nodes.iter_mut().for_each(NodeProcess::start);
    }

    /// What the nodes printed, for a failing test.
    pub fn logs(&self) -> String {
        self.nodes.iter().map(|node| tail(&node.directory.join("log"))).collect()
    }

    /// Ends the test, with what the nodes printed.
    pub fn fail(&self, reason: &str) -> ! {
        panic!("{reason}\n{}", self.logs())
    }

    fn node(&mut self, id: u64) -> &mut NodeProcess {
        self.nodes.iter_mut().find(|node| node.id == id).unwrap()
    }

    /// Waits until every group has a leader and every node is a voter that has all of the log.
    pub async fn wait_settled(&self) {
        self.wait_for(|status| self.check(status)).await;
    }

    /// Waits until the data's group has a leader that is accepted, and answers which.
    pub async fn wait_leader(&self, accepted: impl Fn(u64) -> bool) -> u64 {
        self.wait_for(|status| {
            let leader = leader(status).filter(|id| accepted(*id));
            leader.ok_or_else(|| format!("no such leader: {status:?}"))
        })
        .await
    }

    /// A node's key, by which its address is told from those of others.
    pub async fn endpoint(&self, id: u64) -> EndpointKey {
        self.wait_for(|status| {
            let node = status.nodes.iter().find(|node| node.record.id.get() == id);
            node.map(|node| node.record.endpoint).ok_or_else(|| format!("no such node: {status:?}"))
        })
        .await
    }

    /// Asks one node after the other for the status until it is as wished. A node knows only what
    /// it can reach.
    pub async fn wait_for<T>(&self, wished: impl Fn(&ClusterStatus) -> Result<T, String>) -> T {
        let deadline = Instant::now() + SETTLE;
        let mut last = String::new();
        for turn in 0.. {
            match self.status(turn).await.and_then(|status| wished(&status)) {
                Ok(found) => return found,
                Err(_) if Instant::now() > deadline => break,
                Err(reason) => last = reason,
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.fail(&format!("the cluster did not settle: {last}"))
    }

    async fn status(&self, turn: usize) -> Result<ClusterStatus, String> {
        let mut ticket: Ticket = self.find_ticket()?.parse().map_err(|error| format!("{error}"))?;
        let asked = turn % ticket.peers.len().max(1);
        ticket.peers = ticket.peers.get(asked).cloned().into_iter().collect();
        let options =
            ClientOptions { request_timeout_ms: ANSWER_TIMEOUT_MS, ..ClientOptions::default() };
        let client =
            Client::connect_with(ticket, options).await.map_err(|error| error.to_string())?;
        let status = client.status().await.map_err(|error| error.to_string());
        client.close().await;
        status
    }

    fn check(&self, status: &ClusterStatus) -> Result<(), String> {
        let mut voters: Vec<NodeId> = self.ids().into_iter().map(NodeId::new).collect();
        voters.sort_unstable();
        let settled = status.groups.len() >= 2
            && status.groups.iter().all(|group| {
                let metrics = &group.metrics;
                metrics.leader == Some(metrics.node)
                    && metrics.voters == voters
                    && metrics.replication.values().all(|progress| progress.lag_entries == 0)
            });
        if settled { Ok(()) } else { Err(format!("{status:?}")) }
    }
}

/// The node that leads the data's group, as it says itself.
fn leader(status: &ClusterStatus) -> Option<u64> {
    let group = status.groups.iter().find(|group| group.metrics.group == DATA)?;
    let metrics = &group.metrics;
    metrics.leader.filter(|leader| *leader == metrics.node).map(NodeId::get)
}

impl Drop for ProcessCluster {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// The end of a log; before it every panic, whose backtrace may be longer than the end.
fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let (before, end) = lines.split_at(lines.len().saturating_sub(30));
    let panics = before.windows(2).filter(|pair| pair[0].contains("panicked at"));
    let panics: Vec<&str> = panics.flatten().copied().collect();
    format!("--- {}\n{}\n{}\n", path.display(), panics.join("\n"), end.join("\n"))
}

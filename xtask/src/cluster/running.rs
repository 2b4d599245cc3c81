//! A cluster whose nodes this process started.

use super::node_command::NodeCommand;
use super::{Binaries, Client, Interrupt, Layout, cookie, stop};
use crate::failure::{Failure, Outcome};
use std::process::Child;
use std::time::{Duration, Instant};

/// How long a cluster may take from the start of its processes until every group has a leader and
/// all voters: elections and joins take seconds, replaying a long log on a slow disk more.
const SERVES_WITHIN: Duration = Duration::from_secs(120);

/// The nodes of one cluster. Dropped without [`Running::stop`], it kills them, so that no early
/// return leaves processes behind.
pub(crate) struct Running {
    pub(crate) layout: Layout,
    pub(crate) binaries: Binaries,
    /// How many voters every group shall have.
    nodes: u64,
    /// Kept to be waited for; a node restarted by another command is not among them.
    children: Vec<Child>,
}

impl Running {
    /// Starts nodes `1..=nodes` in `layout`, which may hold a cluster that ran before.
    pub(crate) fn start(layout: &Layout, binaries: &Binaries, nodes: u64) -> Outcome<Self> {
        cookie::ensure(layout)?;
        // A script waits for this file; one of an earlier run would tell it a lie.
        let _ = std::fs::remove_file(layout.ticket());
        let (layout, binaries) = (layout.clone(), binaries.clone());
        let mut running = Self { layout, binaries, nodes, children: Vec::new() };
        for node in 1..=nodes {
            running.start_node(node)?;
        }
        Ok(running)
    }

    /// Starts one node that does not run.
    pub(crate) fn start_node(&mut self, node: u64) -> Outcome {
        let command = NodeCommand::new(&self.binaries, &self.layout, node);
        self.children.push(command.start(&self.layout, node)?);
        Ok(())
    }

    /// Waits until the cluster serves, writes its ticket, and returns a client with it.
    pub(crate) fn wait_until_serving(&mut self, interrupt: &Interrupt) -> Outcome<Client> {
        let deadline = Instant::now() + SERVES_WITHIN;
        loop {
            interrupt.check()?;
            self.require_all_alive()?;
            let last = match self.try_serving() {
                Ok(client) => return Ok(client),
                Err(cause) => cause,
            };
            if Instant::now() > deadline {
                let what = format!("the cluster does not serve after {SERVES_WITHIN:?}");
                return Err(Failure::of(what, last));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn try_serving(&self) -> Outcome<Client> {
        let first = self.layout.node_ticket(1);
        let client = Client::with_ticket_file(&self.binaries.cli, &first)
            .ok_or_else(|| Failure::new("node 1 has not written its ticket"))?;
        let status = client.status()?;
        if !status.serves(usize::try_from(self.nodes).unwrap_or(usize::MAX)) {
            return Err(Failure::new(status.to_string()));
        }
        // The ticket of the first node was written when it was alone; a new one names all nodes,
        // so that a client can begin while the first is down.
        let ticket = client.fresh_ticket()?;
        cookie::write_secret(&self.layout.ticket(), &ticket)?;
        Client::with_ticket_file(&self.binaries.cli, &self.layout.ticket())
            .ok_or_else(|| Failure::new("the ticket is empty"))
    }

    fn require_all_alive(&mut self) -> Outcome {
        self.reap();
        for node in 1..=self.nodes {
            if self.layout.running_pid(node).is_none() {
                let tail = self.layout.log_tail(node);
                let log = self.layout.log(node);
                let what = format!("node {node} ended; the end of {}:\n{tail}", log.display());
                return Err(Failure::new(what));
            }
        }
        Ok(())
    }

    /// Takes notice of children that ended, so that they do not stay in the process table.
    pub(crate) fn reap(&mut self) {
        self.children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    /// Stops every node in order, the ones another command restarted too.
    pub(crate) fn stop(mut self, interrupt: &Interrupt) -> Outcome {
        let layout = self.layout.clone();
        stop::stop_nodes(&layout, Some(interrupt), || self.reap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for (_, pid) in self.layout.running() {
            let _ = super::kill(pid);
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}

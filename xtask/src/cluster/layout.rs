//! Where the files of a cluster are.

use super::identity::is_running;
use crate::failure::{Failure, Outcome};
use std::path::{Path, PathBuf};

/// The file names inside a cluster's directory. Absolute, so that nodes and tools started from
/// different directories mean the same files.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The layout of the cluster in `dir`, which need not exist.
    pub(crate) fn at(dir: &Path) -> Outcome<Self> {
        let dir = std::path::absolute(dir).map_err(|error| Failure::of(dir.display(), error))?;
        // A `..` is resolved where it can be, since a node's path also identifies its process.
        Ok(Self { dir: dir.canonicalize().unwrap_or(dir) })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The client ticket; it is there once the cluster serves.
    pub(crate) fn ticket(&self) -> PathBuf {
        self.dir.join("ticket")
    }

    /// The secret that lets a node join.
    pub(crate) fn cookie(&self) -> PathBuf {
        self.dir.join("cookie")
    }

    /// The process id of the `launch` that watches the cluster.
    pub(crate) fn launcher_pid_file(&self) -> PathBuf {
        self.dir.join("launch.pid")
    }

    pub(crate) fn node_dir(&self, node: u64) -> PathBuf {
        self.dir.join(format!("node-{node}"))
    }

    pub(crate) fn pid_file(&self, node: u64) -> PathBuf {
        self.node_dir(node).join("pid")
    }

    pub(crate) fn log(&self, node: u64) -> PathBuf {
        self.node_dir(node).join("log")
    }

    /// The command line the node was started with.
    pub(crate) fn command_file(&self, node: u64) -> PathBuf {
        self.node_dir(node).join("command")
    }

    /// The ticket that the node itself writes once it serves requests.
    pub(crate) fn node_ticket(&self, node: u64) -> PathBuf {
        self.node_dir(node).join("ticket")
    }

    /// What only this node's command line contains; see [`is_running`].
    pub(crate) fn node_marker(&self, node: u64) -> String {
        self.node_dir(node).display().to_string()
    }

    /// The nodes that were ever started here, in order.
    pub(crate) fn node_ids(&self) -> Vec<u64> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let ids = names.filter_map(|name| name.strip_prefix("node-")?.parse().ok());
        let mut ids: Vec<u64> = ids.filter(|id| self.command_file(*id).exists()).collect();
        ids.sort_unstable();
        ids
    }

    /// Fails unless `node` was started here before.
    pub(crate) fn require_node(&self, node: u64) -> Outcome {
        let ids = self.node_ids();
        if ids.contains(&node) {
            return Ok(());
        }
        Err(Failure::new(format!("there is no node {node}; the cluster's nodes are {ids:?}")))
    }

    /// The node's process, when its pid file names one that is really this node.
    pub(crate) fn running_pid(&self, node: u64) -> Option<u32> {
        let pid = read_pid(&self.pid_file(node))?;
        is_running(pid, &self.node_marker(node)).then_some(pid)
    }

    /// The nodes that run, with their processes.
    pub(crate) fn running(&self) -> Vec<(u64, u32)> {
        let ids = self.node_ids().into_iter();
        ids.filter_map(|id| Some((id, self.running_pid(id)?))).collect()
    }

    /// The `launch` that watches the cluster, when it runs.
    pub(crate) fn launcher_pid(&self) -> Option<u32> {
        let pid = read_pid(&self.launcher_pid_file())?;
        is_running(pid, LAUNCHER_MARKER).then_some(pid)
    }

    /// The end of the node's log, to show why it failed.
    pub(crate) fn log_tail(&self, node: u64) -> String {
        const LINES: usize = 20;
        let text = std::fs::read_to_string(self.log(node)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

/// What the command line of `cargo xtask` contains.
pub(super) const LAUNCHER_MARKER: &str = "xtask";

fn read_pid(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

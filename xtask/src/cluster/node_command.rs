//! How one node is started, now and after a crash.

use super::identity::is_running;
use super::{Binaries, cookie, layout::Layout};
use crate::failure::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The node that starts a new cluster; all others join it.
const FIRST_NODE: u64 = 1;

/// A node's program and arguments. The cookie is not among them: arguments are readable by every
/// user of the machine.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct NodeCommand {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

impl NodeCommand {
    /// The command of node `node`. A node keeps its port after its first start, and the flags for
    /// starting and joining have no effect on a node that has data.
    pub(crate) fn new(binaries: &Binaries, layout: &Layout, node: u64) -> Self {
        let (id, dir) = (node.to_string(), layout.node_marker(node));
        let mut arguments = vec!["--id", &id, "--dir", &dir, "--listen", "127.0.0.1:0"];
        let first_ticket = layout.node_ticket(FIRST_NODE).display().to_string();
        if node == FIRST_NODE {
            arguments.push("--bootstrap");
        } else {
            arguments.extend(["--join-file", &first_ticket]);
        }
        let arguments = arguments.into_iter().map(String::from).collect();
        Self { program: binaries.node.clone(), arguments }
    }

    /// The command that the node was last started with.
    pub(crate) fn load(layout: &Layout, node: u64) -> Outcome<Self> {
        let path = layout.command_file(node);
        let cause = |error: &dyn std::fmt::Display| Failure::of(path.display(), error);
        let text = std::fs::read_to_string(&path).map_err(|error| cause(&error))?;
        serde_json::from_str(&text).map_err(|error| cause(&error))
    }

    /// Starts the node in a process group of its own, so that Ctrl-C in the terminal reaches only
    /// the task that stops it in order, and leaves its pid, log and command in its directory.
    pub(crate) fn start(&self, layout: &Layout, node: u64) -> Outcome<Child> {
        create_dir(&layout.node_dir(node))?;
        let json = serde_json::to_string_pretty(self).map_err(|e| Failure::of("command", e))?;
        write(&layout.command_file(node), &json)?;
        let log = append(&layout.log(node))?;
        let errors = log.try_clone().map_err(|error| Failure::of("cannot share the log", error))?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env("ASPEN_COOKIE", cookie::load(layout)?)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|error| Failure::of(self.program.display(), error))?;
        write(&layout.pid_file(node), &child.id().to_string())?;
        wait_until_known(&mut child, &layout.node_marker(node));
        Ok(child)
    }
}

/// Waits until the process can be told from others, or has ended: for a moment after its start a
/// process has no arguments yet, and would be taken for one that is gone.
fn wait_until_known(child: &mut Child, marker: &str) {
    while !is_running(child.id(), marker) && matches!(child.try_wait(), Ok(None)) {
        std::thread::yield_now();
    }
}

fn create_dir(path: &Path) -> Outcome {
    std::fs::create_dir_all(path).map_err(|error| Failure::of(path.display(), error))
}

fn write(path: &Path, text: &str) -> Outcome {
    std::fs::write(path, text).map_err(|error| Failure::of(path.display(), error))
}

fn append(path: &Path) -> Outcome<File> {
    let file = File::options().append(true).create(true).open(path);
    file.map_err(|error| Failure::of(path.display(), error))
}

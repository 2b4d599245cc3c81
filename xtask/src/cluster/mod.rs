//! `cargo xtask cluster`: a cluster of real processes on this machine, in one directory.

mod binaries;
mod client;
mod cookie;
mod identity;
mod interrupt;
mod launch;
mod layout;
mod next_steps;
mod node_command;
mod running;
#[cfg(test)]
pub(crate) mod scene;
mod status;
mod stop;
#[cfg(test)]
mod tests;

pub(crate) use binaries::{Binaries, Profile};
pub(crate) use client::Client;
pub(crate) use identity::kill;
pub(crate) use interrupt::Interrupt;
pub(crate) use layout::Layout;
pub(crate) use running::Running;

use crate::failure::{Failure, Outcome};
use std::path::PathBuf;

/// What `cargo xtask cluster` can do.
#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// Build the node, start a cluster, wait until it serves, and stop it on Ctrl-C.
    Launch(launch::Arguments),
    /// Stop every node of a cluster, and the `launch` that watches it.
    Stop(Place),
    /// Print which nodes run and what the cluster says about itself.
    Status(Place),
    /// Kill a node at once (SIGKILL), as a power failure would.
    KillNode(NodePlace),
    /// Start a node that is not running, with the command line it had before.
    RestartNode(NodePlace),
}

/// Which cluster is meant.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// The cluster's directory.
    #[arg(long, default_value = "cluster")]
    dir: PathBuf,
}

/// Which node of which cluster is meant.
#[derive(clap::Args)]
pub(crate) struct NodePlace {
    /// The node's number, from 1.
    node: u64,
    #[command(flatten)]
    place: Place,
}

/// Runs one action to its end.
pub(crate) fn run(action: Action) -> Outcome {
    match action {
        Action::Launch(arguments) => launch::run(&arguments),
        Action::Stop(place) => stop::run(&place.layout()?),
        Action::Status(place) => status::print(&place.layout()?),
        Action::KillNode(at) => kill_node(&at.place.layout()?, at.node),
        Action::RestartNode(at) => restart_node(&at.place.layout()?, at.node),
    }
}

impl Place {
    /// The files of a cluster that was launched before.
    fn layout(&self) -> Outcome<Layout> {
        let layout = Layout::at(&self.dir)?;
        if layout.node_ids().is_empty() {
            let dir = self.dir.display();
            return Err(Failure::new(format!("there is no cluster in {dir}; name it with --dir")));
        }
        Ok(layout)
    }
}

fn kill_node(layout: &Layout, node: u64) -> Outcome {
    layout.require_node(node)?;
    let Some(pid) = layout.running_pid(node) else {
        return Err(Failure::new(format!("node {node} is not running")));
    };
    kill(pid)?;
    identity::wait_until_gone(pid, &layout.node_marker(node))?;
    println!("node {node} (pid {pid}) is killed");
    Ok(())
}

fn restart_node(layout: &Layout, node: u64) -> Outcome {
    layout.require_node(node)?;
    if let Some(pid) = layout.running_pid(node) {
        return Err(Failure::new(format!("node {node} runs already (pid {pid})")));
    }
    let child = node_command::NodeCommand::load(layout, node)?.start(layout, node)?;
    println!(
        "node {node} is started (pid {}); its log is {}",
        child.id(),
        layout.log(node).display()
    );
    Ok(())
}

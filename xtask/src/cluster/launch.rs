//! `cargo xtask cluster launch`: from a clone to a serving cluster, and back to nothing.

use super::next_steps::next_steps;
use super::{Binaries, Client, Interrupt, Layout, Profile, Running};
use crate::failure::{Failure, Outcome};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How many nodes a new cluster has when the person does not say.
const NODES_DEFAULT: u64 = 3;
/// How often the cluster is asked for its state while `launch` watches.
const WATCH_EVERY: Duration = Duration::from_secs(3);

/// What `cluster launch` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many nodes; 3 for a new cluster, the same as before for a kept one.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=9))]
    nodes: Option<u64>,
    /// The cluster's directory; data in it is used again.
    #[arg(long, default_value = "cluster")]
    dir: PathBuf,
    /// Leave the directory when the cluster stops.
    #[arg(long)]
    keep: bool,
    /// Build without optimization: builds faster, runs slower.
    #[arg(long, conflicts_with = "release")]
    debug: bool,
    /// Build with optimization, which is the default.
    #[arg(long)]
    release: bool,
}

/// Runs the cluster until a signal or `cluster stop` ends it.
pub(super) fn run(arguments: &Arguments) -> Outcome {
    // Refused before the build, which takes minutes the first time.
    let nodes = admissible(&Layout::at(&arguments.dir)?, arguments.nodes)?;
    let interrupt = Interrupt::install()?;
    let profile = if arguments.debug { Profile::Debug } else { Profile::Release };
    let binaries = Binaries::build(profile)?;
    interrupt.check()?;
    let created = !arguments.dir.exists();
    std::fs::create_dir_all(&arguments.dir)
        .map_err(|error| Failure::of(arguments.dir.display(), error))?;
    let layout = Layout::at(&arguments.dir)?;
    let result = run_in(&layout, &binaries, nodes, &interrupt);
    let _ = std::fs::remove_file(layout.launcher_pid_file());
    // The logs of a cluster that failed are worth more than a tidy directory.
    if created && !arguments.keep && result.is_ok() {
        std::fs::remove_dir_all(layout.dir())
            .map_err(|error| Failure::of(layout.dir().display(), error))?;
        println!("{} is removed; --keep would have left it", arguments.dir.display());
    }
    result
}

/// How many nodes to start in the directory, which must hold either a stopped cluster or nothing.
fn admissible(layout: &Layout, asked: Option<u64>) -> Outcome<u64> {
    refuse_running(layout)?;
    refuse_foreign(layout)?;
    node_count(&layout.node_ids(), asked)
}

fn run_in(layout: &Layout, binaries: &Binaries, nodes: u64, interrupt: &Interrupt) -> Outcome {
    std::fs::write(layout.launcher_pid_file(), std::process::id().to_string())
        .map_err(|error| Failure::of(layout.dir().display(), error))?;
    eprintln!("starting {nodes} nodes in {}", layout.dir().display());
    let mut running = Running::start(layout, binaries, nodes)?;
    match running.wait_until_serving(interrupt) {
        Ok(client) => {
            println!("{}", next_steps(&running, &client));
            watch(&mut running, &client, interrupt);
        }
        // Ctrl-C before the cluster served is no failure of the cluster.
        Err(_) if interrupt.is_set() => {}
        Err(failure) => return Err(failure),
    }
    eprintln!("stopping (again Ctrl-C kills the nodes)");
    running.stop(interrupt)
}

fn refuse_running(layout: &Layout) -> Outcome {
    if layout.launcher_pid().is_none() && layout.running().is_empty() {
        return Ok(());
    }
    let dir = layout.dir().display();
    Err(Failure::new(format!("the cluster in {dir} runs; `cargo xtask cluster stop --dir {dir}`")))
}

/// A directory with files of something else is not taken for a new cluster.
fn refuse_foreign(layout: &Layout) -> Outcome {
    let mut entries = std::fs::read_dir(layout.dir()).into_iter().flatten().flatten();
    let ours = layout.cookie().exists();
    match entries.next() {
        Some(entry) if !ours => {
            let (dir, name) = (layout.dir().display(), entry.file_name());
            Err(Failure::new(format!("{dir} holds {name:?} and no cluster; use another --dir")))
        }
        _ => Ok(()),
    }
}

/// How many nodes to start: those that are there, and more when more are asked for. A cluster
/// shrinks only by removing a node from its groups, which a launch must not do by omission.
fn node_count(existing: &[u64], asked: Option<u64>) -> Outcome<u64> {
    let present = existing.last().copied();
    match (present, asked) {
        (Some(present), Some(asked)) if asked < present => Err(Failure::new(format!(
            "the kept cluster has {present} nodes, more than the {asked} of --nodes; \
             leave --nodes out, or remove a node with `aspen cluster remove-node`"
        ))),
        (_, Some(asked)) => Ok(asked),
        (Some(present), None) => Ok(present),
        (None, None) => Ok(NODES_DEFAULT),
    }
}

/// Prints the cluster's state whenever it differs from the last printed one.
fn watch(running: &mut Running, client: &Client, interrupt: &Interrupt) {
    let start = Instant::now();
    let mut printed = String::new();
    while !interrupt.is_set() {
        running.reap();
        let state = describe(running, client);
        // A signal also ends the client that was asked; its answer then means nothing.
        if state != printed && !interrupt.is_set() {
            println!("[{:>5} s] {state}", start.elapsed().as_secs());
            printed = state;
        }
        let next = Instant::now() + WATCH_EVERY;
        while !interrupt.is_set() && Instant::now() < next {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn describe(running: &Running, client: &Client) -> String {
    let layout = &running.layout;
    let ids = layout.node_ids().into_iter();
    let down: Vec<_> = ids.filter(|id| layout.running_pid(*id).is_none()).collect();
    let down = if down.is_empty() { String::new() } else { format!("DOWN: nodes {down:?}; ") };
    match client.status() {
        Ok(status) => format!("{down}{status}"),
        Err(cause) => format!("{down}no answer: {cause}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_new_cluster_has_three_nodes_or_what_is_asked() {
        assert_eq!(node_count(&[], None).unwrap(), 3);
        assert_eq!(node_count(&[], Some(5)).unwrap(), 5);
    }

    #[test]
    fn a_kept_cluster_keeps_its_nodes_and_may_grow() {
        assert_eq!(node_count(&[1, 2, 3, 4, 5], None).unwrap(), 5);
        assert_eq!(node_count(&[1, 2, 3], Some(4)).unwrap(), 4);
        assert!(node_count(&[1, 2, 3], Some(1)).is_err());
    }
}

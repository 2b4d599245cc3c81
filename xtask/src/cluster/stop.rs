//! Ending a cluster's processes in order.

use super::identity::{is_running, kill, terminate};
use super::layout::LAUNCHER_MARKER;
use super::{Interrupt, Layout};
use crate::failure::{Failure, Outcome};
use std::time::{Duration, Instant};

/// How long a node may drain after it was asked to end.
const DRAIN_WITHIN: Duration = Duration::from_secs(30);
/// How long a `launch` may take to stop its nodes and clean up after them.
const LAUNCHER_WITHIN: Duration = Duration::from_secs(45);

/// `cargo xtask cluster stop`: tells the `launch` that watches the cluster, when there is one, and
/// stops what is left.
pub(super) fn run(layout: &Layout) -> Outcome {
    if let Some(pid) = layout.launcher_pid() {
        terminate(pid)?;
        let deadline = Instant::now() + LAUNCHER_WITHIN;
        while is_running(pid, LAUNCHER_MARKER) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    stop_nodes(layout, None, || {})?;
    println!("the cluster in {} is stopped", layout.dir().display());
    Ok(())
}

/// Asks every node to end and waits; kills those that take too long, or all of them when
/// `interrupt` says that the person has no patience. `reap` is called while waiting.
pub(super) fn stop_nodes(
    layout: &Layout,
    interrupt: Option<&Interrupt>,
    mut reap: impl FnMut(),
) -> Outcome {
    let nodes = layout.running();
    for (_, pid) in &nodes {
        terminate(*pid)?;
    }
    if let Some(interrupt) = interrupt {
        interrupt.take();
    }
    let deadline = Instant::now() + DRAIN_WITHIN;
    while !layout.running().is_empty() {
        let hurried = interrupt.is_some_and(Interrupt::take);
        if hurried || Instant::now() > deadline {
            return kill_rest(layout, reap);
        }
        reap();
        std::thread::sleep(Duration::from_millis(50));
    }
    reap();
    Ok(())
}

fn kill_rest(layout: &Layout, mut reap: impl FnMut()) -> Outcome {
    for (node, pid) in layout.running() {
        eprintln!("node {node} (pid {pid}) did not stop in time: killed");
        kill(pid)?;
    }
    let deadline = Instant::now() + DRAIN_WITHIN;
    while let Some((node, pid)) = layout.running().first() {
        if Instant::now() > deadline {
            return Err(Failure::new(format!("node {node} (pid {pid}) cannot be killed")));
        }
        reap();
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

//! How long one node with a million keys is away after kill -9.

use super::report::Report;
use super::scratch::Scratch;
use super::{Load, aspen, etcd, of};
use crate::cluster::{Binaries, Client, Interrupt, Layout, Running, kill};
use crate::failure::{Failure, Outcome};
use serde::Serialize;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Keys loaded before the crash.
const KEYS: u64 = 1_000_000;
/// Clients that load them.
const LOADERS: u64 = 64;
/// How long loading may take.
const LOADS_WITHIN: Duration = Duration::from_secs(1800);
/// How long the way back may take before the measurement gives up.
const ANSWERS_WITHIN: Duration = Duration::from_secs(120);

/// One measured restart.
#[derive(Serialize)]
struct Restart {
    system: &'static str,
    workload: &'static str,
    nodes: u64,
    keys: u64,
    value_bytes: u64,
    /// From the start of the process to the first linearizable answer, in milliseconds. It includes
    /// starting the client program that asks.
    ms: u128,
}

impl Restart {
    fn new(system: &'static str, value_bytes: u64, took: Duration) -> Self {
        let ms = took.as_millis();
        Self { system, workload: "restart", nodes: 1, keys: KEYS, value_bytes, ms }
    }
}

fn load_of(value_bytes: u64) -> Load {
    Load { nodes: 1, seconds: 1, keys: KEYS, value_bytes }
}

/// Loads one Aspen node, kills it, and times its way back.
pub(super) fn measure_aspen(
    binaries: &Binaries,
    scratch: &Path,
    value_bytes: u64,
    report: &Report,
    interrupt: &Interrupt,
) -> Outcome {
    let scratch = Scratch::create(scratch, "aspen-restart")?;
    let layout = Layout::at(scratch.path())?;
    let mut running = Running::start(&layout, binaries, 1)?;
    let client = running.wait_until_serving(interrupt)?;
    aspen::bench(&client, "load", LOADERS, load_of(value_bytes), LOADS_WITHIN)
        .map_err(|cause| of("aspen", cause))?;
    let pid = layout.running_pid(1).ok_or_else(|| Failure::new("the node ended while loading"))?;
    kill(pid)?;
    while layout.running_pid(1).is_some() {
        running.reap();
        std::thread::sleep(Duration::from_millis(1));
    }
    let start = Instant::now();
    running.start_node(1)?;
    wait_for_answer(&client, start, interrupt)?;
    report.write(&Restart::new("aspen", value_bytes, start.elapsed()))?;
    running.stop(interrupt)
}

/// Asks until a linearizable read is answered.
fn wait_for_answer(client: &Client, start: Instant, interrupt: &Interrupt) -> Outcome {
    while !is_answered(client)? {
        interrupt.check()?;
        if start.elapsed() > ANSWERS_WITHIN {
            return Err(Failure::new(format!("no answer within {ANSWERS_WITHIN:?}")));
        }
    }
    Ok(())
}

/// One read, retried by the client itself for a few seconds.
fn is_answered(client: &Client) -> Outcome<bool> {
    /// The command line's exit code for a key that is not there, which is an answer too.
    const ABSENT: i32 = 3;
    let mut get = client.command(["--timeout", "5s", "kv", "get", "key"]);
    let status = get.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.map_err(|error| Failure::of("aspen kv get", error))?;
    Ok(matches!(status.code(), Some(0 | ABSENT)))
}

/// Does the same with one etcd member.
pub(super) fn measure_etcd(
    driver: &etcd::Driver,
    scratch: &Path,
    value_bytes: u64,
    report: &Report,
    interrupt: &Interrupt,
) -> Outcome {
    interrupt.check()?;
    let scratch = Scratch::create(scratch, "etcd-restart")?;
    let load = load_of(value_bytes);
    let mut cluster = etcd::Cluster::start(scratch.path(), 1)?;
    cluster.wait_until_serving(driver, load).map_err(|cause| of("etcd", cause))?;
    driver.run(&cluster, "load", LOADERS, load, LOADS_WITHIN).map_err(|cause| of("etcd", cause))?;
    cluster.crash();
    let start = Instant::now();
    cluster.start_again()?;
    cluster.wait_until_serving(driver, load).map_err(|cause| of("etcd", cause))?;
    report.write(&Restart::new("etcd", value_bytes, start.elapsed()))
}

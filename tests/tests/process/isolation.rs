//! Namespaces of Linux, in which a test cuts links and fills disks that nobody else uses.
//!
//! A test that needs them runs itself again inside new ones, as the root user of these alone: that
//! takes no privilege on most systems. Where it is not allowed, or not Linux, the test says so and
//! ends; nothing can be tested there.

use std::path::{Path, PathBuf};
use std::process::Command;

use aspen_tests::program;

/// Set in the process that runs inside.
const INSIDE: &str = "ASPEN_TEST_ISOLATED";

/// What opens namespaces for users, mounts and the network.
const UNSHARE: [&str; 4] = ["--user", "--map-root-user", "--mount", "--net"];

/// The routing table that leads nowhere, and the priority of the rules that lead into it.
const NOWHERE: &str = "77";
const CUT: &str = "10";

/// Runs the test of this name (with its module) inside namespaces of its own.
pub(crate) fn isolated(name: &str, test: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        run("ip", "link set lo up");
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        return runtime.worker_threads(2).enable_all().build().unwrap().block_on(test);
    }
    if !is_possible() {
        return eprintln!("{name}: skipped, since `unshare {}` is refused", UNSHARE.join(" "));
    }
    // Building may need the network.
    program("aspen-node");
    let status = Command::new("unshare")
        .args(UNSHARE)
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "yes")
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed inside its namespaces");
}

fn is_possible() -> bool {
    let tried = Command::new("unshare").args(UNSHARE).arg("ip").arg("rule").output();
    tried.is_ok_and(|tried| tried.status.success())
}

fn run(program: &str, arguments: &str) {
    let status = Command::new(program).args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "{program} {arguments}: {status}");
}

/// The network between nodes that each have an address of their own.
///
/// All of them are on the loopback device, and the kernel routes by source and target: packets of a
/// link that was cut go into a device that swallows them, without a word to their sender.
pub(crate) struct Links {
    ids: Vec<u64>,
}

impl Links {
    /// Addresses for so many nodes.
    pub(crate) fn new(count: u64) -> Self {
        run("ip", "link add swallow type veth peer name nobody");
        run("ip", "link set swallow arp off up");
        run("ip", "link set nobody arp off up");
        run("ip", &format!("route add default dev swallow table {NOWHERE}"));
        // The table of local addresses comes first otherwise, and no rule before it.
        run("ip", "rule add priority 100 lookup local");
        run("ip", "rule del priority 0");
        let ids: Vec<u64> = (1..=count).collect();
        ids.iter().for_each(|id| run("ip", &format!("addr add {}/32 dev lo", address(*id))));
        Self { ids }
    }

    /// The flags of a node.
    pub(crate) fn arguments(id: u64) -> Vec<String> {
        let listen = format!("{}:0", address(id));
        ["--reach", "lan", "--listen", &listen].map(str::to_owned).into()
    }

    /// Loses what one node sends to another; the way back stays open.
    pub(crate) fn cut(&self, from: u64, to: u64) {
        let (from, to) = (address(from), address(to));
        let rule = format!("rule add priority {CUT} from {from} to {to} lookup {NOWHERE}");
        run("ip", &rule);
    }

    /// Opens that way again.
    pub(crate) fn heal(&self, from: u64, to: u64) {
        let (from, to) = (address(from), address(to));
        run("ip", &format!("rule del priority {CUT} from {from} to {to} lookup {NOWHERE}"));
    }

    /// Cuts every link between these nodes and the others, in both directions.
    pub(crate) fn cut_off(&self, side: &[u64]) {
        self.each_link(side, |from, to| self.cut(from, to));
    }

    /// Undoes [`Links::cut_off`].
    pub(crate) fn rejoin(&self, side: &[u64]) {
        self.each_link(side, |from, to| self.heal(from, to));
    }

    fn each_link(&self, side: &[u64], mut act: impl FnMut(u64, u64)) {
        for one in side {
            for other in self.ids.iter().filter(|id| !side.contains(id)) {
                act(*one, *other);
                act(*other, *one);
            }
        }
    }
}

fn address(id: u64) -> String {
    format!("10.77.0.{id}")
}

/// A file system of its own size, in memory.
pub(crate) struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one.
    pub(crate) fn mount(path: &Path, mebibytes: u64) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let at = path.display();
        run("mount", &format!("-t tmpfs -o size={mebibytes}m aspen-test {at}"));
        Self { path: path.to_owned() }
    }

    /// Fills it up, but for so much.
    pub(crate) fn fill(&self, mebibytes_left: u64) {
        let disk = rustix::fs::statvfs(&self.path).unwrap();
        let left = mebibytes_left * 1024 * 1024;
        let bytes = (disk.f_bavail * disk.f_frsize).saturating_sub(left);
        std::fs::write(self.ballast(), vec![1; usize::try_from(bytes).unwrap()]).unwrap();
    }

    /// Makes room again.
    pub(crate) fn empty(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Open files keep it; it vanishes with the last of them.
        run("umount", &format!("--lazy {}", self.path.display()));
    }
}

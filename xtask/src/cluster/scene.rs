//! A cluster of shell scripts that keep the contract between nodes, command line and tasks.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::layout::Layout;
use super::{Binaries, Place, Running};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes its ticket and runs until it is told to end.
pub(crate) const NODE: &str = r#"#!/bin/sh
trap 'exit 0' TERM
while [ $# -gt 0 ]; do case $1 in --dir) dir=$2 ;; esac; shift; done
[ -n "$ASPEN_COOKIE" ] || exit 1
echo "old" > "$dir/ticket"
while :; do sleep 0.05; done
"#;

/// Answers as a cluster of two nodes.
const CLI: &str = r#"#!/bin/sh
case "$*" in
  "--timeout 5s --json cluster status")
    echo '{"groups":[{"group":"meta","leader":1,"voters":[1,2]},' \
      '{"group":0,"leader":2,"voters":[1,2]}]}' ;;
  "--json ticket") echo '{"ticket":"all-nodes"}' ;;
  "bench --workload "*)
    echo '{"system":"aspen","workload":"'"$3"'","clients":'"$6"',"nodes":2,"ops_per_s":5000.5,' \
      '"p50_us":10,"p99_us":20,"max_us":30,"errors":0}' ;;
  *) echo "unexpected: $*" >&2; exit 2 ;;
esac
"#;

/// Files of one test, removed at its end.
pub(crate) struct Scene {
    dir: PathBuf,
}

impl Scene {
    /// The programs and an empty place, apart from those of other tests by `name`.
    pub(crate) fn new(name: &str, node: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let scene = Self { dir };
        scene.program("aspen-node", node);
        scene.program("aspen", CLI);
        scene
    }

    /// A child writes the file: a file that this process has open for writing cannot be executed,
    /// and a fork on another test's thread would keep it open.
    fn program(&self, name: &str, text: &str) {
        let script = "printf '%s' \"$1\" > \"$2\" && chmod +x \"$2\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh", text]).arg(self.dir.join(name));
        assert!(shell.status().unwrap().success());
    }

    fn cluster_dir(&self) -> PathBuf {
        self.dir.join("cluster")
    }

    /// The scripts, in place of the built programs.
    pub(crate) fn binaries(&self) -> Binaries {
        Binaries::in_directory(&self.dir)
    }

    /// A directory for whatever a test needs.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Two nodes, just started.
    pub(super) fn start(&self) -> Running {
        std::fs::create_dir_all(self.cluster_dir()).unwrap();
        let layout = Layout::at(&self.cluster_dir()).unwrap();
        Running::start(&layout, &self.binaries(), 2).unwrap()
    }

    pub(super) fn place(&self) -> Place {
        Place { dir: self.cluster_dir() }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

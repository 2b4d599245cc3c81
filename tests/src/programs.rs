//! Where the programs under test are.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Once;

static BUILD: Once = Once::new();

/// How the names of variables begin that speak of the package under test.
const ABOUT_THE_TEST: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"];

/// The path of a program of the workspace (`aspen-node` or `aspen`), built when this is first
/// called: a test binary of another package does not make cargo build them.
pub fn program(name: &str) -> PathBuf {
    let directory = profile_directory();
    BUILD.call_once(|| build(&directory));
    let path = directory.join(name);
    assert!(path.exists(), "{} was not built", path.display());
    path
}

/// `target/<profile>`: two levels above the test binary.
fn profile_directory() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(|deps| deps.parent()).unwrap().to_owned()
}

fn build(directory: &std::path::Path) {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "-p", "aspen-node", "-p", "aspen-cli", "--bins"]);
    // What cargo and its runner tell a test of its package would reach build scripts, which would
    // then run, and rebuild what depends on them, at every change between the two.
    for (name, _) in std::env::vars_os() {
        if ABOUT_THE_TEST.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            command.env_remove(name);
        }
    }
    if directory.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().unwrap();
    assert!(status.success(), "building the programs failed");
}

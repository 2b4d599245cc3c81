//! `cargo xtask fix`: the counterpart of `verify` that writes.

use crate::exec::{cargo, run as run_command};
use crate::failure::Outcome;

/// Applies clippy's fixes first, since they may leave lines that want formatting.
pub(crate) fn run() -> Outcome {
    let clippy = ["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty"];
    run_command(cargo(clippy).arg("--allow-staged"))?;
    run_command(&mut cargo(["fmt", "--all"]))?;
    run_command(&mut cargo(["fmt", "--manifest-path", "bench/peer-etcd/Cargo.toml"]))
}

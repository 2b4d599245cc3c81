//! The programs a cluster is made of.

use crate::exec::{cargo, run};
use crate::failure::Outcome;
use crate::workspace::target;
use std::path::{Path, PathBuf};

/// How the programs are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Optimized: what a user runs and what is worth measuring.
    Release,
    /// Quick to build, with every debug assertion.
    Debug,
}

/// The paths of the built programs.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    /// `aspen-node`, the server.
    pub(crate) node: PathBuf,
    /// `aspen`, the command line.
    pub(crate) cli: PathBuf,
}

impl Binaries {
    /// Builds both programs, with the build's output on the terminal.
    pub(crate) fn build(profile: Profile) -> Outcome<Self> {
        let mut command = cargo(["build", "-p", "aspen-node", "-p", "aspen-cli", "--bins"]);
        if profile == Profile::Release {
            command.arg("--release");
        }
        run(&mut command)?;
        let directory = target().join(match profile {
            Profile::Release => "release",
            Profile::Debug => "debug",
        });
        Ok(Self::in_directory(&directory))
    }

    /// The programs in `directory`, which were built before.
    pub(crate) fn in_directory(directory: &Path) -> Self {
        Self { node: directory.join("aspen-node"), cli: directory.join("aspen") }
    }
}

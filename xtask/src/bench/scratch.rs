//! Directories for measured data.

use crate::failure::{Failure, Outcome};
use std::path::{Path, PathBuf};

/// Where data is measured unless a person says otherwise.
pub(super) fn default_dir() -> PathBuf {
    crate::workspace::target().join("bench")
}

/// A new directory, removed with everything in it when this is dropped.
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Creates `name` below `parent`, with this process's number to keep runs apart.
    pub(super) fn create(parent: &Path, name: &str) -> Outcome<Self> {
        let path = parent.join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).map_err(|error| Failure::of(path.display(), error))?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

//! A directory, once it is found.

use bytes::Bytes;

use crate::subspace::Subspace;

/// A directory as it was when it was opened. It stays usable when the directory moves; when the
/// directory is removed, others may not see what is written through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    pub(super) path: Vec<String>,
    pub(super) layer: Bytes,
    pub(super) subspace: Subspace,
}

impl Directory {
    /// The names from the root on.
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// What its creator said that it holds; empty when nothing was said.
    pub fn layer(&self) -> &Bytes {
        &self.layer
    }

    /// Where its contents are. No other directory, above it or below it, shares a key with it.
    pub fn subspace(&self) -> &Subspace {
        &self.subspace
    }
}

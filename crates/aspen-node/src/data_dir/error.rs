//! Why a data directory cannot be used.

use std::path::{Path, PathBuf};

use aspen_core::{ClusterId, NodeId};

/// A data directory that this node must not or cannot use; the text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataDirError {
    /// The file system refused.
    #[error("{}: {detail}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why, in words.
        detail: String,
    },
    /// Another process has it open.
    #[error(
        "data directory {} is in use by process {process}; stop that process, or give this node a \
         directory of its own",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process id, as that process wrote it.
        process: String,
    },
    /// It belongs to another node.
    #[error(
        "data directory {} belongs to node {found}, not to node {wanted}; start it with id \
         {found}, or give node {wanted} a directory of its own",
        path.display()
    )]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Who asked.
        wanted: NodeId,
    },
    /// It belongs to another cluster.
    #[error(
        "data directory {} belongs to cluster {found}, not to cluster {wanted}; use a ticket of \
         its own cluster, or an empty directory",
        path.display()
    )]
    OtherCluster {
        /// The directory.
        path: PathBuf,
        /// The cluster that it belongs to.
        found: ClusterId,
        /// The cluster of the ticket or peer.
        wanted: ClusterId,
    },
    /// A newer program wrote it.
    #[error(
        "data directory {} has format {found}, this program knows formats up to {known}; use the \
         program version that wrote it, or a newer one",
        path.display()
    )]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format that this program knows.
        known: u64,
    },
    /// Its identity file is damaged.
    #[error(
        "{} is damaged ({detail}); restore it from a backup, or remove this node from the cluster \
         and join with an empty directory and a new id",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// It holds data without saying whose.
    #[error(
        "data directory {} holds a node's data but no identity.json; restore that file, or use an \
         empty directory",
        path.display()
    )]
    NoIdentity {
        /// The directory.
        path: PathBuf,
    },
    /// It holds no node.
    #[error("{} is no data directory of a node: it has no identity.json", path.display())]
    NoNode {
        /// The directory.
        path: PathBuf,
    },
}

impl DataDirError {
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), detail: error.to_string() }
    }
}

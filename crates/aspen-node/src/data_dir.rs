//! A node's data directory: who it belongs to, and where its files are.

mod atomic_file;
mod error;
mod identity;
mod lock;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aspen_core::{ClusterId, GroupId, NodeId, NodeRecord};

pub(crate) use atomic_file::write_atomically;
pub use error::DataDirError;
pub(crate) use identity::{Identity, Stage};
use lock::Lock;

/// A locked data directory. No other process can open it until it is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    identity: Identity,
    _lock: Lock,
}

impl DataDir {
    /// Creates or opens the directory of a node.
    pub(crate) fn open(path: &Path, node: NodeId) -> Result<Self, DataDirError> {
        create(path)?;
        let lock = Lock::acquire(path)?;
        let identity = match Identity::load(path)? {
            Some(identity) if identity.node != node => {
                return Err(DataDirError::OtherNode {
                    path: path.to_owned(),
                    found: identity.node,
                    wanted: node,
                });
            }
            Some(identity) => identity,
            None => Identity::create(path, node)?,
        };
        Ok(Self { path: path.to_owned(), identity, _lock: lock })
    }

    /// Opens the directory of whatever node it belongs to, to look at it.
    pub(crate) fn open_existing(path: &Path) -> Result<Self, DataDirError> {
        let identity =
            Identity::load(path)?.ok_or_else(|| DataDirError::NoNode { path: path.to_owned() })?;
        Self::open(path, identity.node)
    }

    /// Who the directory belongs to.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Binds the directory to a cluster, durably.
    pub(crate) fn enter(&mut self, cluster: ClusterId, stage: Stage) -> Result<(), DataDirError> {
        self.require_cluster(cluster)?;
        let next = Identity { cluster: Some(cluster), stage, ..self.identity.clone() };
        next.save(&self.path)?;
        self.identity = next;
        Ok(())
    }

    /// Fails when the directory belongs to another cluster.
    pub(crate) fn require_cluster(&self, cluster: ClusterId) -> Result<(), DataDirError> {
        match self.identity.cluster {
            Some(found) if found != cluster => {
                Err(DataDirError::OtherCluster { path: self.path.clone(), found, wanted: cluster })
            }
            _ => Ok(()),
        }
    }

    /// The Raft log of all groups.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.path.join("log.redb")
    }

    /// The state of one group.
    pub(crate) fn group_dir(&self, group: GroupId) -> PathBuf {
        self.path.join(group.to_string())
    }

    /// The node's secret key.
    pub(crate) fn secret_key_file(&self) -> PathBuf {
        self.path.join("secret.key")
    }

    /// The ticket for clients.
    pub(crate) fn ticket_file(&self) -> PathBuf {
        self.path.join("ticket")
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The address to bind: the configured one, with the port of the last run when the system is
    /// to choose, so that what peers and tickets hold stays true over a restart.
    pub(crate) fn listen_address(&self, configured: SocketAddr) -> SocketAddr {
        let text = std::fs::read_to_string(self.listen_file()).unwrap_or_default();
        match text.trim().parse::<SocketAddr>() {
            Ok(last) if configured.port() == 0 && last.ip() == configured.ip() => last,
            _ => configured,
        }
    }

    /// Keeps the bound address for the next run.
    pub(crate) fn save_listen_address(&self, bound: SocketAddr) -> Result<(), DataDirError> {
        write_atomically(&self.listen_file(), bound.to_string().as_bytes())
    }

    /// The peers known in the last run; none when the file is missing or unreadable, since it only
    /// saves time.
    pub(crate) fn peers(&self) -> Vec<NodeRecord> {
        let text = std::fs::read_to_string(self.peers_file()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Keeps the known peers for the next run: a node that has joined and crashes before anyone
    /// contacted it finds the cluster again through them.
    pub(crate) fn save_peers(path: &Path, peers: &[NodeRecord]) -> Result<(), DataDirError> {
        let text = serde_json::to_vec_pretty(peers)
            .map_err(|error| DataDirError::io(path, &std::io::Error::other(error)))?;
        write_atomically(path, &text)
    }

    /// Where [`DataDir::save_peers`] writes.
    pub(crate) fn peers_file(&self) -> PathBuf {
        self.path.join("peers.json")
    }

    fn listen_file(&self) -> PathBuf {
        self.path.join("listen")
    }
}

fn create(path: &Path) -> Result<(), DataDirError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| DataDirError::io(path, &error))
}

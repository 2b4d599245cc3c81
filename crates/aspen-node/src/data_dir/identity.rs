//! Who a data directory belongs to: `identity.json`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aspen_core::{ClusterId, NodeId, runtime};
use serde::{Deserialize, Serialize};

use super::{DataDirError, write_atomically};

/// The newest format of a data directory that this program knows.
const FORMAT_KNOWN: u64 = 1;

/// How far a node has come into its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// It belongs to no cluster.
    New,
    /// It starts a cluster and may have been interrupted: groups without members are still to be
    /// given this node as their first.
    Founding,
    /// It belongs to a running cluster. A group found empty is then filled by its peers, never
    /// started anew: that would make a second, diverging group.
    Member,
}

/// A directory's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The node.
    pub(crate) node: NodeId,
    /// Its cluster, once known.
    pub(crate) cluster: Option<ClusterId>,
    /// How far it has come.
    pub(crate) stage: Stage,
    /// When the directory was made, in Unix milliseconds.
    pub(crate) created_ms: u64,
}

/// The file, in JSON. The cluster is in hexadecimal for people who compare it with a ticket.
#[derive(Serialize, Deserialize)]
struct Stored {
    format: u64,
    node: u64,
    cluster: Option<String>,
    stage: Stage,
    created_ms: u64,
}

/// What every version of the file has had.
#[derive(Deserialize)]
struct StoredFormat {
    format: u64,
}

impl Identity {
    /// Reads the identity; `None` in a directory that was never a node's.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, DataDirError> {
        let path = file(dir);
        match std::fs::read(&path) {
            Ok(bytes) => Self::decode(dir, &path, &bytes).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DataDirError::io(&path, &error)),
        }
    }

    /// Makes a new directory a node's own.
    pub(crate) fn create(dir: &Path, node: NodeId) -> Result<Self, DataDirError> {
        if dir.join("log.redb").exists() {
            return Err(DataDirError::NoIdentity { path: dir.to_owned() });
        }
        let created_ms = runtime::unix_time_ms();
        let identity = Self { node, cluster: None, stage: Stage::New, created_ms };
        identity.save(dir)?;
        Ok(identity)
    }

    /// Writes the identity, durably.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), DataDirError> {
        let stored = Stored {
            format: FORMAT_KNOWN,
            node: self.node.get(),
            cluster: self.cluster.map(|cluster| cluster.to_string()),
            stage: self.stage,
            created_ms: self.created_ms,
        };
        let path = file(dir);
        let json = serde_json::to_vec_pretty(&stored)
            .map_err(|error| DataDirError::io(&path, &std::io::Error::other(error)))?;
        write_atomically(&path, &json)
    }

    fn decode(dir: &Path, path: &Path, bytes: &[u8]) -> Result<Self, DataDirError> {
        let damaged = |detail: String| DataDirError::Damaged { path: path.to_owned(), detail };
        let StoredFormat { format } =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if format > FORMAT_KNOWN {
            return Err(DataDirError::NewerFormat {
                path: dir.to_owned(),
                found: format,
                known: FORMAT_KNOWN,
            });
        }
        let stored: Stored =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        let cluster = match stored.cluster {
            Some(hex) => Some(
                ClusterId::from_hex(&hex)
                    .ok_or_else(|| damaged("`cluster` is no cluster id".to_owned()))?,
            ),
            None => None,
        };
        if stored.node == 0 || cluster.is_none() != (stored.stage == Stage::New) {
            return Err(damaged("its fields contradict each other".to_owned()));
        }
        let (node, stage) = (NodeId::new(stored.node), stored.stage);
        Ok(Self { node, cluster, stage, created_ms: stored.created_ms })
    }
}

fn file(dir: &Path) -> PathBuf {
    dir.join("identity.json")
}

//! Why a node did not start, and what went wrong with a running one.

use std::net::SocketAddr;

use aspen_core::{ControlError, GroupId};
use aspen_net::{BindError, InvalidCookie, SecretKeyError};
use aspen_raft::{InvalidOptions, OpenError};
use aspen_storage::{LogError, StateError};

use crate::{ConfigError, DataDirError, JoinFailure};

/// A node that did not start; what it had opened is closed again.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration makes no node.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The cookie file cannot be read.
    #[error("setting `cookie_file`: {path}: {detail}")]
    CookieFile {
        /// The file.
        path: String,
        /// Why, in words.
        detail: String,
    },
    /// The cookie is empty.
    #[error(transparent)]
    Cookie(#[from] InvalidCookie),
    /// A setting that consensus cannot work with.
    #[error("setting {0}")]
    Raft(#[from] InvalidOptions),
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The node's key cannot be used.
    #[error(transparent)]
    SecretKey(#[from] SecretKeyError),
    /// The Raft log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A group's state cannot be used.
    #[error("{group}: {error}")]
    State {
        /// The group.
        group: GroupId,
        /// What is wrong.
        error: StateError,
    },
    /// The network endpoint cannot be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The directory is new, and nothing says what to do with it.
    #[error(
        "the data directory is empty and nothing says which cluster it is for; start a new cluster \
         with --bootstrap, or join one with --join TICKET or --join-file FILE"
    )]
    NoCluster,
    /// The cluster did not let the node in.
    #[error(transparent)]
    Join(#[from] JoinFailure),
    /// A group cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new cluster's groups cannot be initialised.
    #[error("a new cluster cannot be started: {0}")]
    Found(#[from] ControlError),
    /// The operations listener cannot be opened.
    #[error("setting `ops_listen`: cannot listen on {address}: {detail}")]
    Ops {
        /// The address.
        address: SocketAddr,
        /// Why, in words.
        detail: String,
    },
    /// The operating system refused a thread, or the runtime is stopping.
    #[error("cannot start: {0}")]
    Runtime(#[from] std::io::Error),
}

impl StartError {
    /// Whether starting again later may succeed with nothing changed by hand: the disk was full,
    /// files did not answer, or an address was still taken.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Log(error) => matches!(error, LogError::DiskFull(_) | LogError::Io(_)),
            Self::State { error, .. } => {
                matches!(error, StateError::DiskFull(_) | StateError::Io(_))
            }
            Self::DataDir(error) => matches!(error, DataDirError::Io { .. }),
            Self::Bind(error) => matches!(error, BindError::Socket { .. }),
            Self::Ops { .. } | Self::Runtime(_) => true,
            _ => false,
        }
    }
}

//! The files that follow a node's peers.

use std::path::PathBuf;

use aspen_core::{NodeRecord, runtime};
use aspen_net::Ticket;
use async_trait::async_trait;

use crate::compose::PeerSink;
use crate::data_dir::{DataDir, DataDirError, write_atomically};

/// Keeps the peers for the next run, and the ticket where people find it.
pub(super) struct PeerFiles {
    peers: PathBuf,
    ticket: PathBuf,
}

impl PeerFiles {
    /// In a data directory.
    pub(super) fn new(dir: &DataDir) -> Self {
        Self { peers: dir.peers_file(), ticket: dir.ticket_file() }
    }
}

#[async_trait]
impl PeerSink for PeerFiles {
    async fn save_peers(&self, peers: Vec<NodeRecord>) {
        let path = self.peers.clone();
        save("peers", move || DataDir::save_peers(&path, &peers)).await;
    }

    async fn save_ticket(&self, ticket: Ticket) -> bool {
        let path = self.ticket.clone();
        save("ticket", move || write_atomically(&path, format!("{ticket}\n").as_bytes())).await
    }
}

async fn save(
    what: &str,
    write: impl FnOnce() -> Result<(), DataDirError> + Send + 'static,
) -> bool {
    let result = runtime::spawn_blocking(write).await;
    let failure = match result {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(what, error = failure, "file cannot be written");
    false
}

//! A replica that hears messages of a peer.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    GroupId, Lane, NodeId, PeerHandler, PeerRejection, PeerRequest, Transport, TransportError,
};
use aspen_raft::{RaftHost, RaftOptions};
use aspen_storage::{MemoryDisk, MemoryLogStore, MemoryStateMachine};
use async_trait::async_trait;
use bytes::Bytes;

const GROUP: GroupId = GroupId::META;

/// Reaches nobody.
struct Nowhere;

#[async_trait]
impl Transport for Nowhere {
    async fn call(
        &self,
        to: NodeId,
        _lane: Lane,
        _request: PeerRequest,
        _timeout: Duration,
    ) -> Result<Bytes, TransportError> {
        Err(TransportError::Unreachable { node: to, detail: "there is no network".to_owned() })
    }
}

/// A replica of one group on stores in memory.
pub struct Replica {
    host: Arc<RaftHost>,
    _dir: tempfile::TempDir,
}

impl Replica {
    /// A new one.
    pub async fn open() -> Self {
        let Ok(dir) = tempfile::tempdir() else { panic!("no temporary directory") };
        let host = RaftHost::new(NodeId::new(1), Arc::new(Nowhere), RaftOptions::default());
        let state = MemoryStateMachine::open(&MemoryDisk::new(GROUP, dir.path()));
        let opened = host.open_group(GROUP, MemoryLogStore::new().group(GROUP), state).await;
        assert!(opened.is_ok(), "the replica opens");
        Self { host, _dir: dir }
    }

    /// Gives it a message of node 2.
    pub async fn hear(&self, kind: u8, payload: &[u8]) -> Result<Bytes, PeerRejection> {
        let payload = Bytes::copy_from_slice(payload);
        let request = PeerRequest { group: GROUP, kind, payload };
        self.host.handle(NodeId::new(2), request).await
    }
}

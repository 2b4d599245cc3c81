//! A disk that is full for a while: the state cannot be flushed, and no snapshot be built.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aspen_core::runtime::watch;
use aspen_core::{
    ClusterController, Consistency, ControlError, GroupRole, Key, LeaseId, NodeId, ReadReply,
    Reply, Revision, ScanPage, ScanRequest, runtime,
};
use aspen_raft::{Group, RaftHost, RaftOptions};
use aspen_storage::{
    AppliedState, Changes, ChangesRequest, Entry, LeaseFeed, LeaseTerms, LeasedKeys,
    MemoryLogStore, MemoryStateMachine, SnapshotFile, StateError, StateMachine,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::cluster::*;
use crate::network::TestNetwork;

/// A state whose disk fills up on command. It flushes when it is asked, and only then.
struct FullDisk {
    state: Arc<MemoryStateMachine>,
    full: AtomicBool,
    flushed: Mutex<AppliedState>,
    /// How often something needed the disk while it was full.
    refused: AtomicU64,
}

impl FullDisk {
    fn room(&self) -> Result<(), StateError> {
        if !self.full.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(StateError::DiskFull("no space left".into()))
    }
}

#[async_trait]
impl StateMachine for FullDisk {
    fn applied(&self) -> AppliedState {
        self.state.applied()
    }

    fn revision(&self) -> Revision {
        self.state.revision()
    }

    async fn apply(&self, entries: Vec<Entry>) -> Result<Vec<Vec<Reply>>, StateError> {
        self.state.apply(entries).await
    }

    fn lease_feed(&self) -> &LeaseFeed {
        self.state.lease_feed()
    }

    async fn leases(&self) -> Result<Vec<(LeaseId, LeaseTerms)>, StateError> {
        self.state.leases().await
    }

    async fn leased(
        &self,
        lease: LeaseId,
        keys_max: usize,
    ) -> Result<Option<LeasedKeys>, StateError> {
        self.state.leased(lease, keys_max).await
    }

    async fn read(
        &self,
        requests: Vec<(Vec<Key>, Option<Revision>)>,
    ) -> Vec<Result<ReadReply, StateError>> {
        self.state.read(requests).await
    }

    async fn scan(
        &self,
        request: ScanRequest,
        at: Option<Revision>,
    ) -> Result<ScanPage, StateError> {
        self.state.scan(request, at).await
    }

    async fn sql(
        &self,
        request: aspen_core::SqlRequest,
    ) -> Result<aspen_core::SqlReply, aspen_core::SqlError> {
        self.state.sql(request).await
    }

    async fn changes(&self, request: ChangesRequest) -> Result<Changes, StateError> {
        self.state.changes(request).await
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.state.revisions()
    }

    async fn flush(&self) -> Result<AppliedState, StateError> {
        self.room()?;
        let flushed = self.state.flush().await?;
        *self.flushed.lock() = flushed.clone();
        Ok(flushed)
    }

    fn flushed(&self) -> AppliedState {
        self.flushed.lock().clone()
    }

    async fn build_snapshot(&self) -> Result<SnapshotFile, StateError> {
        self.flush().await?;
        self.state.build_snapshot().await
    }

    async fn latest_snapshot(&self) -> Result<Option<SnapshotFile>, StateError> {
        self.state.latest_snapshot().await
    }

    fn incoming_path(&self) -> PathBuf {
        self.state.incoming_path()
    }

    async fn install_snapshot(&self, path: PathBuf) -> Result<AppliedState, StateError> {
        self.room()?;
        self.state.install_snapshot(path).await
    }

    async fn check_integrity(&self) -> Result<Vec<String>, StateError> {
        self.state.check_integrity().await
    }

    fn head_bytes(&self) -> usize {
        self.state.head_bytes()
    }

    async fn close(&self) -> Result<(), StateError> {
        self.state.close().await
    }
}

struct Node {
    host: Arc<RaftHost>,
    group: Arc<Group>,
    disk: Arc<FullDisk>,
    _dir: TempDir,
}

impl Node {
    /// One node that leads alone; its log should stay short.
    async fn leading() -> Self {
        let options = RaftOptions { log_bytes_kept: 10_000, ..options() };
        let (dir, node) = (tempfile::tempdir().unwrap(), NodeId::new(1));
        let disk = Arc::new(FullDisk {
            state: MemoryStateMachine::new(GROUP, dir.path()),
            full: AtomicBool::new(false),
            flushed: Mutex::default(),
            refused: AtomicU64::new(0),
        });
        let host = RaftHost::new(node, TestNetwork::new().transport(node), options);
        let log = MemoryLogStore::new().group(GROUP);
        let group = host.open_group(GROUP, log, disk.clone()).await.unwrap();
        host.init(GROUP, vec![record(1)]).await.unwrap();
        group.wait_metrics(PATIENCE, |metrics| metrics.role == GroupRole::Leader).await.unwrap();
        Self { host, group, disk, _dir: dir }
    }

    async fn put(&self, value: &str) {
        write(&self.group, put("k", value)).await.unwrap();
    }

    async fn wait_purged(&self) {
        let purged = self.group.wait_metrics(PATIENCE, |metrics| metrics.purged.is_some());
        assert!(purged.await.is_ok(), "{:?}", self.group.metrics());
    }
}

#[tokio::test]
async fn a_snapshot_that_a_full_disk_prevents_is_built_later() {
    let node = Node::leading().await;
    node.put("1").await;
    node.disk.full.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let refused = node.host.trigger_snapshot(GROUP).await;
        assert!(matches!(refused, Err(ControlError::Unavailable(_))), "{refused:?}");
        node.put("2").await;
    }
    assert_eq!(node.group.metrics().role, GroupRole::Leader);
    assert_eq!(node.group.metrics().purged, None);
    node.disk.full.store(false, Ordering::Relaxed);
    node.host.trigger_snapshot(GROUP).await.unwrap();
    node.wait_purged().await;
    assert_eq!(get(&node.group, "k", Consistency::Linearizable).await.unwrap(), "2");
}

/// The log grows beyond twice what it should keep, so that the replica wants its state flushed by
/// itself, again and again.
#[tokio::test]
async fn a_replica_that_cannot_flush_lives_and_shortens_its_log_later() {
    let node = Node::leading().await;
    node.disk.full.store(true, Ordering::Relaxed);
    let value = "x".repeat(1_000);
    let tried = runtime::timeout(PATIENCE, async {
        while node.disk.refused.load(Ordering::Relaxed) < 2 {
            node.put(&value).await;
            runtime::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    tried.await.expect("the replica tries to flush");
    assert_eq!(node.group.metrics().role, GroupRole::Leader);
    node.disk.full.store(false, Ordering::Relaxed);
    node.wait_purged().await;
    node.put("after").await;
}

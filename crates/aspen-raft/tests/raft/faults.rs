//! A store that fails stops its group and no other; strange messages harm nobody.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aspen_core::{
    ClusterController, Consistency, GroupId, GroupRole, LogIndex, NodeId, PeerHandler,
    PeerRejection, PeerRequest,
};
use aspen_raft::{OpenError, RaftHost};
use aspen_storage::{GroupLog, LogError, LogRecord, LogState, MemoryLogStore, MemoryStateMachine};
use async_trait::async_trait;
use bytes::Bytes;

use crate::cluster::*;
use crate::network::TestNetwork;

/// A log whose disk fills up on command.
struct FailingLog {
    log: Arc<dyn GroupLog>,
    full: Arc<AtomicBool>,
}

#[async_trait]
impl GroupLog for FailingLog {
    fn state(&self) -> LogState {
        self.log.state()
    }

    async fn append(&self, records: Vec<LogRecord>) -> Result<(), LogError> {
        match self.full.load(Ordering::Relaxed) {
            true => Err(LogError::DiskFull("no space left".into())),
            false => self.log.append(records).await,
        }
    }

    async fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<LogRecord>, LogError> {
        self.log.read(range, bytes_max).await
    }

    async fn truncate(&self, from: LogIndex) -> Result<(), LogError> {
        self.log.truncate(from).await
    }

    async fn purge(&self, upto: LogIndex, marker: Bytes) -> Result<(), LogError> {
        self.log.purge(upto, marker).await
    }

    async fn save_vote(&self, vote: Bytes) -> Result<(), LogError> {
        self.log.save_vote(vote).await
    }

    fn vote(&self) -> Option<Bytes> {
        self.log.vote()
    }

    async fn save_committed(&self, committed: Option<Bytes>) -> Result<(), LogError> {
        self.log.save_committed(committed).await
    }

    fn committed(&self) -> Option<Bytes> {
        self.log.committed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_fails_stops_its_group_alone() {
    let dir = tempfile::tempdir().unwrap();
    let node = NodeId::new(1);
    let host = RaftHost::new(node, TestNetwork::new().transport(node), options());
    let store = MemoryLogStore::new();
    let full = Arc::new(AtomicBool::new(false));
    let groups = [GROUP, GroupId::from_raw(1)];
    for id in groups {
        let log: Arc<dyn GroupLog> = match id == GROUP {
            true => Arc::new(FailingLog { log: store.group(id), full: full.clone() }),
            false => store.group(id),
        };
        let state = MemoryStateMachine::new(id, dir.path().join(id.to_string()));
        let group = host.open_group(id, log, state).await.unwrap();
        host.init(id, vec![record(1)]).await.unwrap();
        group.wait_metrics(PATIENCE, |metrics| metrics.role == GroupRole::Leader).await.unwrap();
    }
    let [failing, healthy] = groups.map(|id| host.group(id).unwrap());
    write(&failing, put("k", "v")).await.unwrap();
    full.store(true, Ordering::Relaxed);
    assert!(write(&failing, put("k", "w")).await.is_err());
    let stopped = failing.wait_metrics(PATIENCE, |metrics| metrics.role == GroupRole::Stopped);
    stopped.await.unwrap();
    assert!(read(&failing, "k", Consistency::Linearizable).await.is_err());
    assert_eq!(get(&failing, "k", Consistency::Stale).await.unwrap(), "v");
    write(&healthy, put("k", "v")).await.unwrap();

    // Once there is room, the group opens again from what it has stored.
    host.close_group(GROUP).await;
    let again = host.open_group(GROUP, store.group(GROUP), failing.state().clone()).await.unwrap();
    assert_eq!(get(&again, "k", Consistency::Linearizable).await.unwrap(), "v");
    host.shutdown().await;
}

#[tokio::test]
async fn strange_messages_are_refused() {
    let cluster = Cluster::new(1, options()).await;
    let send = |group, kind, payload: &'static [u8]| {
        let request = PeerRequest { group, kind, payload: Bytes::from_static(payload) };
        cluster.host(1).handle(NodeId::new(2), request)
    };
    let unknown = send(GroupId::from_raw(7), 1, b"").await;
    assert!(matches!(unknown, Err(PeerRejection::NoSuchGroup(_))), "{unknown:?}");
    for kind in 0..=255 {
        let garbage = send(GROUP, kind, b"\xff\xff\xff\xff\xff\xff\xff").await;
        assert!(matches!(garbage, Err(PeerRejection::Malformed(_))), "kind {kind}: {garbage:?}");
    }
    cluster.put("k", "v").await;
}

#[tokio::test]
async fn a_group_opens_once_and_with_valid_settings() {
    let dir = tempfile::tempdir().unwrap();
    let node = NodeId::new(1);
    let transport = TestNetwork::new().transport(node);
    let open = async |host: &RaftHost| {
        let state = MemoryStateMachine::new(GROUP, dir.path());
        host.open_group(GROUP, MemoryLogStore::new().group(GROUP), state).await.map(|_| ())
    };
    let host = RaftHost::new(node, transport.clone(), options());
    open(&host).await.unwrap();
    assert_eq!(open(&host).await, Err(OpenError::AlreadyOpen(GROUP)));
    host.shutdown().await;
    assert_eq!(open(&host).await, Err(OpenError::Stopping));
    let broken = aspen_raft::RaftOptions { heartbeat_ms: 10_000, ..options() };
    let host = RaftHost::new(node, transport, broken);
    assert!(matches!(open(&host).await, Err(OpenError::Options(_))));
}

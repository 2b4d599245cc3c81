//! openraft's own suite of storage tests, over the adapters and real stores.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use aspen_core::{GroupId, NodeId};
use aspen_storage::state::{SqliteStateMachine, StateOptions};
use aspen_storage::{
    GroupLog, LogOptions, MemoryLogStore, MemoryStateMachine, RedbLogStore, StateMachine,
};
use openraft::StorageError;
use openraft::storage::RaftLogStorage;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use crate::applied_index::AppliedIndex;
use crate::log_adapter::LogAdapter;
use crate::state_adapter::StateAdapter;
use crate::types::{LeaderId, LogId, RaftEntry, TypeConfig};
use crate::wire;

type Built<G> = Result<(G, LogAdapter, StateAdapter), StorageError<TypeConfig>>;

fn adapters(
    log: Arc<dyn GroupLog>,
    state: Arc<dyn StateMachine>,
    cache_bytes: usize,
) -> (LogAdapter, StateAdapter) {
    let applied = Arc::new(AppliedIndex::default());
    let state = StateAdapter::new(state, applied, log.clone());
    (LogAdapter::new(log, cache_bytes), state)
}

struct InMemory;

impl StoreBuilder<TypeConfig, LogAdapter, StateAdapter, TempDir> for InMemory {
    async fn build(&self) -> Built<TempDir> {
        let dir = tempfile::tempdir().unwrap();
        let log = MemoryLogStore::new().group(GroupId::META);
        let state = MemoryStateMachine::new(GroupId::META, dir.path());
        let (log, state) = adapters(log, state, 1 << 20);
        Ok((dir, log, state))
    }
}

#[tokio::test]
async fn memory_stores_pass() {
    Suite::test_all(InMemory).await.unwrap();
}

/// A cache without room makes every read go to the log store.
struct OnDisk {
    cache_bytes: usize,
}

impl StoreBuilder<TypeConfig, LogAdapter, StateAdapter, TempDir> for OnDisk {
    async fn build(&self) -> Built<TempDir> {
        let dir = tempfile::tempdir().unwrap();
        let store =
            RedbLogStore::open(&dir.path().join("log.redb"), LogOptions::default()).unwrap();
        let options = StateOptions::default();
        let state = SqliteStateMachine::open(dir.path(), GroupId::META, options).unwrap();
        let (log, state) = adapters(store.group(GroupId::META), state, self.cache_bytes);
        Ok((dir, log, state))
    }
}

#[tokio::test]
async fn stores_on_disk_pass() {
    Suite::test_all(OnDisk { cache_bytes: 1 << 20 }).await.unwrap();
}

#[tokio::test]
async fn stores_on_disk_pass_without_a_cache() {
    Suite::test_all(OnDisk { cache_bytes: 0 }).await.unwrap();
}

/// The suite's entries come from several leaders, one of which is taken for this node.
struct Overlapping(u64);

impl StoreBuilder<TypeConfig, LogAdapter, StateAdapter, TempDir> for Overlapping {
    async fn build(&self) -> Built<TempDir> {
        let (dir, log, state) = OnDisk { cache_bytes: 1 << 10 }.build().await?;
        Ok((dir, log.overlapping(NodeId::new(self.0)), state))
    }
}

#[tokio::test]
async fn stores_on_disk_pass_while_a_leader_does_not_wait_for_its_own_syncs() {
    for node in 0..2 {
        Suite::test_all(Overlapping(node)).await.unwrap();
    }
}

/// In simulation a leader's power failed after its followers had committed an entry that its own
/// disk was still syncing. The committed position was on the disk already, with the sync of another
/// group; the restarted node wanted to apply up to it, found no such entry, and could not start.
#[tokio::test]
async fn a_committed_position_beyond_the_log_is_not_trusted() {
    let log = MemoryLogStore::new().group(GroupId::META);
    let mut adapter = LogAdapter::new(log.clone(), 1 << 20);
    let leader_id = LeaderId { term: 1, node_id: 1 };
    let at = |index| LogId { leader_id, index };
    let entry = RaftEntry { log_id: at(0), payload: openraft::EntryPayload::Blank };
    log.append(vec![wire::to_record(&entry).unwrap()]).await.unwrap();
    adapter.save_committed(Some(at(0))).await.unwrap();
    assert_eq!(adapter.read_committed().await.unwrap(), Some(at(0)));
    adapter.save_committed(Some(at(1))).await.unwrap();
    assert_eq!(adapter.read_committed().await.unwrap(), None);
}

//! openraft's own suite of storage tests, over the adapters and real stores.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use aspen_core::GroupId;
use aspen_storage::state::{SqliteStateMachine, StateOptions};
use aspen_storage::{
    GroupLog, LogOptions, MemoryLogStore, MemoryStateMachine, RedbLogStore, StateMachine,
};
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use crate::applied_index::AppliedIndex;
use crate::log_adapter::LogAdapter;
use crate::state_adapter::{FlushWanted, StateAdapter};
use crate::types::TypeConfig;

type Built<G> = Result<(G, LogAdapter, StateAdapter), StorageError<TypeConfig>>;

fn adapters(
    log: Arc<dyn GroupLog>,
    state: Arc<dyn StateMachine>,
    cache_bytes: usize,
) -> (LogAdapter, StateAdapter) {
    let applied = Arc::new(AppliedIndex::default());
    let state = StateAdapter::new(state, applied, log.clone(), FlushWanted::default());
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

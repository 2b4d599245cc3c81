//! A state machine in memory, for tests and simulation.

mod disk;
mod snapshot;

use std::path::PathBuf;
use std::sync::Arc;

use aspen_core::runtime::watch;
use aspen_core::{
    GroupId, Key, LeaseId, ProposalBatch, ReadReply, Reply, Revision, ScanPage, ScanRequest,
    SqlError, SqlReply, SqlRequest, runtime,
};
use async_trait::async_trait;

pub use disk::MemoryDisk;
use disk::{DiskState, Opening};

use super::apply::apply_batch;
use super::{
    AppliedState, Changes, ChangesRequest, Entry, EntryPayload, LeaseFeed, LeaseTerms, LeasedKeys,
    SnapshotFile, StateError, StateMachine, Tables,
};

/// A [`StateMachine`] over [`MemoryTables`](super::MemoryTables).
///
/// What it applies is durable at once, on a [`MemoryDisk`]: a replica that restarts opens the same
/// disk again and goes on from there. Snapshots are real files.
#[derive(Debug)]
pub struct MemoryStateMachine {
    opening: Arc<Opening>,
    leases: LeaseFeed,
}

impl MemoryStateMachine {
    /// An empty state machine on a disk of its own, with snapshot files in `dir`.
    pub fn new(group: GroupId, dir: impl Into<PathBuf>) -> Arc<Self> {
        Self::open(&MemoryDisk::new(group, dir))
    }

    /// The state machine of a disk. Opening a disk takes it from the machine that had it before:
    /// that one stops, as a process that has crashed.
    pub fn open(disk: &MemoryDisk) -> Arc<Self> {
        Arc::new(Self { opening: Arc::new(disk.open()), leases: LeaseFeed::default() })
    }

    /// Its disk, to open again after a restart.
    pub fn disk(&self) -> MemoryDisk {
        self.opening.disk().clone()
    }

    /// Does file work where it delays no one.
    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Opening) -> Result<R, StateError> + Send + 'static,
    ) -> Result<R, StateError> {
        let opening = self.opening.clone();
        runtime::spawn_blocking(move || work(&opening))
            .await
            .map_err(|error| StateError::Stopped(error.to_string()))?
    }
}

/// Applies one entry and says what it answers.
fn apply_entry(state: &mut DiskState, entry: Entry) -> Result<Vec<Reply>, StateError> {
    let replies = match entry.payload {
        EntryPayload::Blank => Vec::new(),
        EntryPayload::Batch(bytes) => {
            let batch: ProposalBatch = aspen_core::codec::decode(&bytes)
                .map_err(|error| StateError::Corrupt(format!("log entry: {error}")))?;
            apply_batch(&mut state.tables, batch)?
        }
        EntryPayload::Membership(bytes) => {
            state.applied.membership = Some((entry.position.clone(), bytes));
            Vec::new()
        }
    };
    state.applied.position = Some(entry.position);
    Ok(replies)
}

#[async_trait]
impl StateMachine for MemoryStateMachine {
    fn applied(&self) -> AppliedState {
        self.opening.peek().applied.clone()
    }

    fn revision(&self) -> Revision {
        self.opening.peek().tables.group().revision
    }

    async fn apply(&self, entries: Vec<Entry>) -> Result<Vec<Vec<Reply>>, StateError> {
        let mut state = self.opening.state_mut()?;
        let replies = entries.into_iter().map(|entry| apply_entry(&mut state, entry)).collect();
        self.opening.announce(&state);
        self.leases.feed(&state.tables.group_mut().leases.take_changes());
        replies
    }

    async fn read(
        &self,
        requests: Vec<(Vec<Key>, Option<Revision>)>,
    ) -> Vec<Result<ReadReply, StateError>> {
        match self.opening.state() {
            Ok(state) => {
                requests.into_iter().map(|(keys, at)| state.tables.read(&keys, at)).collect()
            }
            Err(error) => requests.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn scan(
        &self,
        request: ScanRequest,
        at: Option<Revision>,
    ) -> Result<ScanPage, StateError> {
        self.opening.state()?.tables.scan(&request, at)
    }

    async fn sql(&self, request: SqlRequest) -> Result<SqlReply, SqlError> {
        request.validate()?;
        Err(SqlError::Unsupported("a state in memory has no SQL; use one on SQLite".to_owned()))
    }

    async fn changes(&self, request: ChangesRequest) -> Result<Changes, StateError> {
        self.opening.state()?.tables.changes(&request)
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.opening.revisions()
    }

    fn lease_feed(&self) -> &LeaseFeed {
        &self.leases
    }

    async fn leases(&self) -> Result<Vec<(LeaseId, LeaseTerms)>, StateError> {
        let state = self.opening.state()?;
        Ok(state.tables.group().leases.iter().map(|(lease, it)| (*lease, it.terms)).collect())
    }

    async fn leased(
        &self,
        lease: LeaseId,
        keys_max: usize,
    ) -> Result<Option<LeasedKeys>, StateError> {
        let state = self.opening.state()?;
        let Some(granted) = state.tables.group().leases.get(&lease) else { return Ok(None) };
        let keys = state.tables.leased(lease, keys_max)?;
        Ok(Some(LeasedKeys { count: granted.keys, keys }))
    }

    async fn flush(&self) -> Result<AppliedState, StateError> {
        Ok(self.opening.state()?.applied.clone())
    }

    fn flushed(&self) -> AppliedState {
        self.applied()
    }

    async fn build_snapshot(&self) -> Result<SnapshotFile, StateError> {
        self.blocking(snapshot::build).await
    }

    async fn latest_snapshot(&self) -> Result<Option<SnapshotFile>, StateError> {
        Ok(self.opening.state()?.snapshots.first().cloned())
    }

    fn incoming_path(&self) -> PathBuf {
        self.opening.fresh_path("incoming")
    }

    async fn install_snapshot(&self, path: PathBuf) -> Result<AppliedState, StateError> {
        let installed = self.blocking(move |opening| snapshot::install(opening, &path)).await;
        self.leases.replaced();
        installed
    }

    async fn check_integrity(&self) -> Result<Vec<String>, StateError> {
        Ok(self.opening.state()?.tables.check_integrity())
    }

    fn head_bytes(&self) -> usize {
        0
    }

    async fn close(&self) -> Result<(), StateError> {
        self.opening.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests;

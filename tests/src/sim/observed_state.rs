//! A group's state machine whose every step the oracle sees.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aspen_core::runtime::watch;
use aspen_core::{Key, LeaseId, ReadReply, Reply, Revision, ScanPage, ScanRequest, codec, runtime};
use aspen_storage::{
    AppliedState, Changes, ChangesRequest, Entry, EntryPayload, LeaseFeed, LeaseTerms, LeasedKeys,
    SnapshotFile, StateError, StateMachine,
};
use async_trait::async_trait;

use super::oracle::{Applied, LogId, Oracle, Replica};
use super::replicas::content;
use super::trace;

/// The state machine of one replica.
pub(crate) struct ObservedState {
    inner: Arc<dyn StateMachine>,
    replica: Replica,
    oracle: Arc<Oracle>,
    /// The last revision at which the whole state was shown.
    shown: AtomicU64,
}

/// How many revisions lie between two looks at the whole state.
const SHOWN_EVERY_REVISIONS: u64 = 128;

impl ObservedState {
    /// Shows the oracle all that a state machine does from now on.
    pub(crate) fn new(
        inner: Arc<dyn StateMachine>,
        replica: Replica,
        oracle: Arc<Oracle>,
    ) -> Arc<Self> {
        Arc::new(Self { inner, replica, oracle, shown: AtomicU64::new(0) })
    }

    fn record(&self, entry: &Applied) {
        let Replica { node, group } = self.replica;
        let place = node.get() << 32 | u64::from(group.get());
        trace::record("applied", [place, entry.id.index, entry.digest, entry.answers]);
    }

    /// Shows the oracle the whole state now and then, at revisions that every replica comes to.
    fn show(&self) {
        let revision = self.inner.revision().get() / SHOWN_EVERY_REVISIONS * SHOWN_EVERY_REVISIONS;
        if self.shown.swap(revision, Ordering::Relaxed) >= revision {
            return;
        }
        let (state, replica, oracle) = (self.inner.clone(), self.replica, self.oracle.clone());
        runtime::spawn(async move {
            // A revision that is already compacted tells nothing.
            if let Ok(content) = content(&*state, Some(Revision::new(revision))).await {
                oracle.held(replica, revision, content.digest);
                trace::record("held", [replica.node.get(), revision, content.digest, 0]);
            }
        });
    }
}

/// Where a state stands.
pub(crate) fn place(state: &AppliedState) -> Option<LogId> {
    state.position.as_ref().map(|position| LogId::read(&position.marker))
}

/// What an entry is, before it is applied.
fn digest(entry: &Entry) -> (LogId, u64) {
    let digest = match &entry.payload {
        EntryPayload::Blank => 0,
        EntryPayload::Batch(bytes) | EntryPayload::Membership(bytes) => trace::hash_bytes(bytes),
    };
    (LogId::read(&entry.position.marker), digest)
}

#[async_trait]
impl StateMachine for ObservedState {
    fn applied(&self) -> AppliedState {
        self.inner.applied()
    }

    fn revision(&self) -> Revision {
        self.inner.revision()
    }

    async fn apply(&self, entries: Vec<Entry>) -> Result<Vec<Vec<Reply>>, StateError> {
        let digests: Vec<(LogId, u64)> = entries.iter().map(digest).collect();
        let replies = self.inner.apply(entries).await?;
        let applied = |((id, digest), replies): ((LogId, u64), &Vec<Reply>)| {
            let bytes = codec::encode(replies).expect("replies can be encoded");
            Applied { id, digest, answers: trace::hash_bytes(&bytes) }
        };
        let applied: Vec<Applied> = digests.into_iter().zip(&replies).map(applied).collect();
        self.oracle.applied(self.replica, &applied);
        applied.iter().for_each(|entry| self.record(entry));
        self.oracle.flushed(self.replica, place(&self.inner.flushed()));
        self.show();
        Ok(replies)
    }

    fn lease_feed(&self) -> &LeaseFeed {
        self.inner.lease_feed()
    }

    async fn leases(&self) -> Result<Vec<(LeaseId, LeaseTerms)>, StateError> {
        self.inner.leases().await
    }

    async fn leased(
        &self,
        lease: LeaseId,
        keys_max: usize,
    ) -> Result<Option<LeasedKeys>, StateError> {
        self.inner.leased(lease, keys_max).await
    }

    async fn read(
        &self,
        requests: Vec<(Vec<Key>, Option<Revision>)>,
    ) -> Vec<Result<ReadReply, StateError>> {
        self.inner.read(requests).await
    }

    async fn scan(
        &self,
        request: ScanRequest,
        at: Option<Revision>,
    ) -> Result<ScanPage, StateError> {
        self.inner.scan(request, at).await
    }

    async fn sql(
        &self,
        request: aspen_core::SqlRequest,
    ) -> Result<aspen_core::SqlReply, aspen_core::SqlError> {
        self.inner.sql(request).await
    }

    async fn changes(&self, request: ChangesRequest) -> Result<Changes, StateError> {
        self.inner.changes(request).await
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.inner.revisions()
    }

    async fn flush(&self) -> Result<AppliedState, StateError> {
        let flushed = self.inner.flush().await?;
        self.oracle.flushed(self.replica, place(&flushed));
        Ok(flushed)
    }

    fn flushed(&self) -> AppliedState {
        let flushed = self.inner.flushed();
        self.oracle.flushed(self.replica, place(&flushed));
        flushed
    }

    async fn build_snapshot(&self) -> Result<SnapshotFile, StateError> {
        self.inner.build_snapshot().await
    }

    async fn latest_snapshot(&self) -> Result<Option<SnapshotFile>, StateError> {
        self.inner.latest_snapshot().await
    }

    fn incoming_path(&self) -> PathBuf {
        self.inner.incoming_path()
    }

    async fn install_snapshot(&self, path: PathBuf) -> Result<AppliedState, StateError> {
        let installed = self.inner.install_snapshot(path).await?;
        self.oracle.installed(self.replica, place(&installed));
        Ok(installed)
    }

    async fn check_integrity(&self) -> Result<Vec<String>, StateError> {
        self.inner.check_integrity().await
    }

    fn head_bytes(&self) -> usize {
        self.inner.head_bytes()
    }

    async fn close(&self) -> Result<(), StateError> {
        self.inner.close().await
    }
}

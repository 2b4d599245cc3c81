//! A group's state machine as openraft sees it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{Reply, runtime};
use aspen_storage::{AppliedState, Entry, EntryPayload, StateMachine};
use futures_util::stream::{Stream, StreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};

use crate::applied_index::AppliedIndex;
use crate::snapshot_data::{ReceivedFile, SnapshotData, file_covering, meta_of};
use crate::types::{
    LogId, RaftEntry, Replies, Snapshot, SnapshotMeta, StoredMembership, TypeConfig,
};
use crate::wire::{self, Malformed};

/// How many entries one call of `apply` takes. More pays its fixed cost less often; fewer answers
/// the first of them sooner.
const APPLY_ENTRIES_MAX: usize = 1_024;

/// How late `apply` is where a simulation holds it up.
const LATE: Duration = Duration::from_millis(100);

/// openraft's state machine over a [`StateMachine`].
#[derive(Clone)]
pub(crate) struct StateAdapter {
    state: Arc<dyn StateMachine>,
    applied: Arc<AppliedIndex>,
    /// Where the log begins: a snapshot older than this helps no follower.
    log: Arc<dyn aspen_storage::GroupLog>,
    /// Whether a snapshot must cover everything applied. Otherwise it covers what the state machine
    /// has flushed by then, which cannot fail.
    flush_first: bool,
}

impl StateAdapter {
    pub(crate) fn new(
        state: Arc<dyn StateMachine>,
        applied: Arc<AppliedIndex>,
        log: Arc<dyn aspen_storage::GroupLog>,
    ) -> Self {
        if let Some(position) = state.applied().position {
            applied.advance(position.index.get());
        }
        Self { state, applied, log, flush_first: false }
    }

    async fn apply_batch(
        &self,
        batch: Vec<io::Result<EntryResponder<TypeConfig>>>,
    ) -> io::Result<()> {
        let mut entries = Vec::with_capacity(batch.len());
        let mut responders = Vec::with_capacity(batch.len());
        for item in batch {
            let (entry, responder) = item?;
            entries.push(to_entry(entry)?);
            responders.push(responder);
        }
        let Some(last) = entries.last().map(|entry| entry.position.index.get()) else {
            return Ok(());
        };
        let replies = self.state.apply(entries).await?;
        self.applied.advance(last);
        answer(responders, replies)
    }

    fn snapshot_at(&self, applied: &AppliedState) -> io::Result<Snapshot> {
        Ok(Snapshot { meta: meta_of(applied)?, snapshot: SnapshotData::Local(self.state.clone()) })
    }

    /// A finished file that a follower can go on from with the log, and that no restart of ours
    /// would find newer than our own durable state.
    async fn reusable_file(&self, flushed: &AppliedState) -> Option<AppliedState> {
        let index = |applied: &AppliedState| applied.position.as_ref().map(|at| at.index);
        let purged = self.log.state().purged.map(|(index, _)| index);
        let file = match self.state.latest_snapshot().await {
            Ok(file) => file.map(|file| file.applied),
            Err(error) => {
                tracing::warn!(%error, "no snapshot file can be reused");
                None
            }
        };
        file.filter(|file| index(file) >= purged && index(file) <= index(flushed))
    }
}

fn to_entry(entry: RaftEntry) -> Result<Entry, Malformed> {
    let payload = match entry.payload {
        openraft::EntryPayload::Blank => EntryPayload::Blank,
        openraft::EntryPayload::Normal(batch) => EntryPayload::Batch(batch.0),
        openraft::EntryPayload::Membership(membership) => {
            EntryPayload::Membership(wire::encode_membership(&membership)?)
        }
    };
    Ok(Entry { position: wire::to_position(entry.log_id)?, payload })
}

fn answer(
    responders: Vec<Option<ApplyResponder<TypeConfig>>>,
    replies: Vec<Vec<Reply>>,
) -> io::Result<()> {
    if responders.len() != replies.len() {
        let (entries, replies) = (responders.len(), replies.len());
        return Err(io::Error::other(format!("{replies} replies to {entries} entries")));
    }
    for (responder, replies) in responders.into_iter().zip(replies) {
        if let Some(responder) = responder {
            responder.send(Replies(replies));
        }
    }
    Ok(())
}

impl RaftSnapshotBuilder<TypeConfig> for StateAdapter {
    type SnapshotData = SnapshotData;

    /// Says how far the state is durable without the log, so that the log before it may go. A file
    /// comes when it is needed. A failure here would end the replica, so whoever wants more to be
    /// durable has it flushed first, and bears the failure.
    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let flushed = match self.flush_first {
            true => self.state.flush().await?,
            false => self.state.flushed(),
        };
        self.snapshot_at(&flushed)
    }
}

impl RaftStateMachine<TypeConfig> for StateAdapter {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let SnapshotMeta { last_log_id, last_membership } = meta_of(&self.state.applied())?;
        Ok((last_log_id, last_membership))
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let few = runtime::buggify("raft-apply-one-by-one");
        let mut batches = entries.ready_chunks(if few { 1 } else { APPLY_ENTRIES_MAX });
        while let Some(batch) = batches.next().await {
            if runtime::buggify("raft-apply-late") {
                runtime::sleep(LATE).await;
            }
            self.apply_batch(batch).await?;
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Self> {
        Some(Self { flush_first: force, ..self.clone() })
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotData,
    ) -> io::Result<()> {
        let installed = match snapshot {
            SnapshotData::Received(file) => self.state.install_snapshot(file.0.clone()).await?,
            SnapshotData::Local(source) => {
                let file = file_covering(&*source, meta.last_log_id).await?;
                let copy = ReceivedFile(self.state.incoming_path());
                let target = copy.0.clone();
                runtime::spawn_blocking(move || std::fs::copy(file.path, target)).await??;
                self.state.install_snapshot(copy.0.clone()).await?
            }
        };
        if let Some(position) = installed.position {
            self.applied.advance(position.index.get());
        }
        Ok(())
    }

    /// Answers at once, from what is durable: this runs on the task that applies entries, which a
    /// file being built would hold up.
    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let flushed = self.state.flushed();
        if flushed.position.is_none() {
            return Ok(None);
        }
        let covered = self.reusable_file(&flushed).await.unwrap_or(flushed);
        self.snapshot_at(&covered).map(Some)
    }
}

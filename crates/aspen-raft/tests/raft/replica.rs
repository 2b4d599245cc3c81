//! One replica that hears hand-made messages. Nobody else is there.

use std::ops::Range;
use std::sync::Arc;

use aspen_core::{
    GroupMetrics, LogIndex, NodeId, PeerHandler, PeerRejection, PeerRequest, Proposal,
    ProposalBatch,
};
use aspen_raft::{Group, RaftHost, RaftOptions};
use aspen_storage::{
    EntryPayload, MemoryDisk, MemoryLogStore, MemoryStateMachine, Position, StateMachine,
};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::cluster::{GROUP, PATIENCE};
use crate::network::TestNetwork;
use crate::wire::*;

/// The replica's own id.
pub(crate) const ME: u64 = 1;

/// Who leads, unless a test says otherwise.
pub(crate) const LEADER: u64 = 2;

/// An entry of [`LEADER`] in the log.
pub(crate) fn at(term: u64, index: u64) -> LogId {
    (term, LEADER, index)
}

pub(crate) fn blanks(term: u64, indexes: Range<u64>) -> Vec<Entry> {
    indexes.map(|index| (term, LEADER, index, Payload::Blank)).collect()
}

pub(crate) fn members(term: u64, index: u64, voters: &[u64]) -> Entry {
    (term, LEADER, index, Payload::Membership(membership(voters, &[])))
}

pub(crate) fn batch(term: u64, index: u64, proposal: Proposal) -> Entry {
    let batch = ProposalBatch { time_ms: 1, proposals: vec![proposal] };
    (term, LEADER, index, Payload::Batch(encode(&batch)))
}

pub(crate) struct Replica {
    pub(crate) host: Arc<RaftHost>,
    options: RaftOptions,
    log: Arc<MemoryLogStore>,
    state: MemoryDisk,
    _dir: TempDir,
}

impl Replica {
    /// A new replica. It does not keep silent when it starts again.
    pub(crate) async fn open() -> Self {
        let options = RaftOptions { silent_start: false, ..RaftOptions::default() };
        let dir = tempfile::tempdir().unwrap();
        let (log, state) = (MemoryLogStore::new(), MemoryDisk::new(GROUP, dir.path()));
        let host = start(&options, &log, &state).await;
        Self { host, options, log, state, _dir: dir }
    }

    /// A new replica with a log of blank entries of term 1.
    pub(crate) async fn with_log(len: u64) -> Self {
        let replica = Self::open().await;
        assert_eq!(replica.append(1, None, blanks(1, 0..len)).await, AppendReply::Success);
        replica
    }

    /// Stops the replica and starts it again on what it has stored.
    pub(crate) async fn restart(&mut self) {
        self.host.shutdown().await;
        self.host = start(&self.options, &self.log, &self.state).await;
    }

    pub(crate) fn group(&self) -> Arc<Group> {
        self.host.group(GROUP).unwrap()
    }

    /// Sends a message from a node.
    pub(crate) async fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        from: u64,
        kind: u8,
        question: &Q,
    ) -> Result<A, PeerRejection> {
        let request = PeerRequest { group: GROUP, kind, payload: encode(question) };
        let answer = self.host.handle(NodeId::new(from), request).await?;
        Ok(decode(&answer))
    }

    /// An append of [`LEADER`] in a term.
    pub(crate) async fn append(
        &self,
        term: u64,
        previous: Option<LogId>,
        entries: Vec<Entry>,
    ) -> AppendReply {
        self.append_committed(term, previous, entries, None).await
    }

    /// An append that also says what is committed.
    pub(crate) async fn append_committed(
        &self,
        term: u64,
        previous: Option<LogId>,
        entries: Vec<Entry>,
        committed: Option<LogId>,
    ) -> AppendReply {
        let message: Append = ((term, LEADER, true), previous, committed, entries);
        self.ask(LEADER, APPEND, &message).await.unwrap()
    }

    /// Asks for a vote, or, by a pre-vote, whether it would be granted.
    pub(crate) async fn vote(
        &self,
        kind: u8,
        term: u64,
        from: u64,
        last: Option<LogId>,
    ) -> VoteReply {
        let question: Question = ((term, from, false), last, false);
        self.ask(from, kind, &question).await.unwrap()
    }

    /// Terms and indexes of the log.
    pub(crate) async fn log(&self) -> Vec<(u64, u64)> {
        let log = self.log.group(GROUP);
        let state = log.state();
        let first = state.purged.map_or(0, |(index, _)| index.get() + 1);
        let end = state.last.map_or(first, |last| last.get() + 1);
        let records = log.read(first..end, usize::MAX).await.unwrap();
        records
            .iter()
            .map(|record| {
                let (term, _, index, _): Entry = decode(&record.payload);
                (term, index)
            })
            .collect()
    }

    /// The vote that a restart would find.
    pub(crate) fn stored_vote(&self) -> Option<Vote> {
        self.log.group(GROUP).vote().map(|bytes| decode(&bytes))
    }

    pub(crate) async fn wait(&self, what: impl Fn(&GroupMetrics) -> bool) -> GroupMetrics {
        match self.group().wait_metrics(PATIENCE, what).await {
            Ok(metrics) => metrics,
            Err(_) => panic!("not in time: {:?}", self.group().metrics()),
        }
    }

    pub(crate) async fn wait_applied(&self, index: u64) {
        self.wait(|metrics| metrics.applied == Some(LogIndex::new(index))).await;
    }
}

async fn start(options: &RaftOptions, log: &MemoryLogStore, state: &MemoryDisk) -> Arc<RaftHost> {
    let me = NodeId::new(ME);
    let host = RaftHost::new(me, TestNetwork::new().transport(me), options.clone());
    let state = MemoryStateMachine::open(state);
    host.open_group(GROUP, log.group(GROUP), state).await.unwrap();
    host
}

/// Terms and indexes of entries of one term.
pub(crate) fn ids(term: u64, indexes: Range<u64>) -> Vec<(u64, u64)> {
    indexes.map(|index| (term, index)).collect()
}

/// A snapshot file as a leader has it, and what it covers.
pub(crate) struct LeaderSnapshot {
    pub(crate) bytes: Bytes,
    last: Option<LogId>,
    membership_log: Option<LogId>,
    membership: Membership,
}

impl LeaderSnapshot {
    /// The state after these entries.
    pub(crate) async fn after(entries: Vec<Entry>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = MemoryStateMachine::new(GROUP, dir.path());
        let mut snapshot = Self {
            bytes: Bytes::new(),
            last: None,
            membership_log: None,
            membership: (Vec::new(), Default::default()),
        };
        for (term, leader, index, payload) in entries {
            let id = (term, leader, index);
            snapshot.last = Some(id);
            if let Payload::Membership(members) = &payload {
                snapshot.membership_log = Some(id);
                snapshot.membership = members.clone();
            }
            let position = Position { index: LogIndex::new(index), marker: encode(&id) };
            let payload = match payload {
                Payload::Blank => EntryPayload::Blank,
                Payload::Batch(bytes) => EntryPayload::Batch(bytes),
                Payload::Membership(members) => EntryPayload::Membership(encode(&members)),
            };
            state.apply(vec![aspen_storage::Entry { position, payload }]).await.unwrap();
        }
        let file = state.build_snapshot().await.unwrap();
        snapshot.bytes = std::fs::read(file.path).unwrap().into();
        snapshot
    }

    /// The message that opens a transfer of it, in a term.
    pub(crate) fn begin(&self, transfer: u64, term: u64) -> SnapshotBegin {
        let covers = (self.last, self.membership_log, self.membership.clone());
        (transfer, (term, LEADER, true), covers, self.bytes.len() as u64)
    }

    /// The message that carries a part of it.
    pub(crate) fn chunk(&self, transfer: u64, part: Range<usize>) -> SnapshotChunk {
        (transfer, part.start as u64, self.bytes.slice(part))
    }

    /// Sends it whole; answers the replica's vote.
    pub(crate) async fn send(
        &self,
        replica: &Replica,
        transfer: u64,
        term: u64,
    ) -> Result<Vote, PeerRejection> {
        replica.ask::<_, ()>(LEADER, SNAPSHOT_BEGIN, &self.begin(transfer, term)).await?;
        for start in (0..self.bytes.len()).step_by(100) {
            let part = start..(start + 100).min(self.bytes.len());
            replica.ask::<_, ()>(LEADER, SNAPSHOT_CHUNK, &self.chunk(transfer, part)).await?;
        }
        replica.ask(LEADER, SNAPSHOT_FINISH, &transfer).await
    }
}

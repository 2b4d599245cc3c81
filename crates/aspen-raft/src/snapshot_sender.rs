//! Sends a snapshot file to a follower that the log no longer reaches, chunk by chunk.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use aspen_core::{Lane, runtime};
use aspen_storage::state::SnapshotReader;
use aspen_storage::{SnapshotFile, StateError, StateMachine};
use bytes::Bytes;
use openraft::errors::{RPCError, StreamingError, Unreachable};

use crate::coherence::check_answered_vote;
use crate::message::{MessageKind, SnapshotBegin, SnapshotChunk, SnapshotFinish};
use crate::network::PeerLink;
use crate::options::RaftOptions;
use crate::snapshot_data::{SnapshotData, file_covering, meta_of};
use crate::types::{LogId, Snapshot, TypeConfig, Vote};
use crate::wire::WireVote;

/// How many bytes of the file one message carries.
pub(crate) const CHUNK_BYTES_MAX: usize = 1024 * 1024;

/// A chunk that a simulation cuts short: even a small snapshot then takes several.
const CHUNK_BYTES_SMALL: usize = 512;

const _: () = assert!(CHUNK_BYTES_MAX + 1024 < aspen_core::MESSAGE_BYTES_MAX);

type Sending<T> = Result<T, StreamingError<TypeConfig>>;

/// One transfer. It ends with the follower's answer or with an error after which openraft starts a
/// new one; the follower forgets a transfer that is not finished.
pub(crate) struct SnapshotSender {
    link: PeerLink,
    options: Arc<RaftOptions>,
    transfer: u64,
}

impl SnapshotSender {
    pub(crate) fn new(link: PeerLink, options: Arc<RaftOptions>) -> Self {
        Self { link, options, transfer: runtime::random_u64() }
    }

    /// Sends the file and waits until it is installed; answers the follower's vote.
    ///
    /// The file may be newer than the snapshot that openraft asked for. The follower is told what
    /// the file covers, and openraft believes the follower to be where it asked, which is less.
    pub(crate) async fn send(self, vote: Vote, snapshot: Snapshot) -> Sending<Vote> {
        let state = match snapshot.snapshot {
            SnapshotData::Local(state) => state,
            SnapshotData::Received(_) => return Err(storage_error("a received file is not sent")),
        };
        let file = sound_file(&*state, snapshot.meta.last_log_id).await.map_err(storage_error)?;
        self.begin(vote, &file).await?;
        self.send_chunks(&file).await?;
        self.finish(&vote).await
    }

    async fn begin(&self, vote: Vote, file: &SnapshotFile) -> Sending<()> {
        let meta = meta_of(&file.applied).map_err(storage_error)?;
        let question = SnapshotBegin {
            transfer: self.transfer,
            vote: vote.into(),
            meta: (&meta).into(),
            len_bytes: file.len_bytes,
        };
        self.ask(MessageKind::SnapshotBegin, &question).await
    }

    async fn send_chunks(&self, file: &SnapshotFile) -> Sending<()> {
        let path = file.path.clone();
        let opened = runtime::spawn_blocking(move || File::open(path)).await;
        let mut source = opened.and_then(|file| file).map_err(storage_error)?;
        let mut offset = 0;
        while offset < file.len_bytes {
            if runtime::buggify("raft-snapshot-interrupted") {
                return Err(storage_error("interrupted"));
            }
            let few = runtime::buggify("raft-snapshot-small-chunk");
            let bytes_max = if few { CHUNK_BYTES_SMALL } else { CHUNK_BYTES_MAX };
            let (rest, bytes) = read_chunk(source, bytes_max).await.map_err(storage_error)?;
            source = rest;
            if bytes.is_empty() {
                return Err(storage_error("the snapshot file is shorter than it was"));
            }
            let end = offset + bytes.len() as u64;
            let question = SnapshotChunk { transfer: self.transfer, offset, bytes };
            self.ask::<_, ()>(MessageKind::SnapshotChunk, &question).await?;
            offset = end;
        }
        Ok(())
    }

    async fn finish(&self, sent: &Vote) -> Sending<Vote> {
        let (lane, kind) = (Lane::Bulk, MessageKind::SnapshotFinish);
        let question = SnapshotFinish { transfer: self.transfer };
        let timeout = self.options.install_timeout();
        let vote: WireVote =
            self.link.ask(lane, kind, &question, timeout).await.map_err(streaming_error)?;
        let vote = vote.into();
        check_answered_vote(&vote, sent).map_err(storage_error)?;
        Ok(vote)
    }

    async fn ask<Q, A>(&self, kind: MessageKind, question: &Q) -> Sending<A>
    where
        Q: serde::Serialize,
        A: serde::de::DeserializeOwned,
    {
        let timeout = self.options.append_timeout();
        self.link.ask(Lane::Bulk, kind, question, timeout).await.map_err(streaming_error)
    }
}

/// A snapshot file that covers at least `least` and has its bytes as they were written. One that
/// has rotted on the disk is built again: the follower would refuse it each time.
async fn sound_file(
    state: &dyn StateMachine,
    least: Option<LogId>,
) -> Result<SnapshotFile, StateError> {
    let file = file_covering(state, least).await?;
    let path = file.path.clone();
    let verified = runtime::spawn_blocking(move || SnapshotReader::verify(&path)).await;
    match verified.map_err(|error| StateError::Io(error.to_string()))? {
        Ok(_) => Ok(file),
        Err(error) => {
            tracing::warn!(%error, "a snapshot file is built again");
            state.build_snapshot().await
        }
    }
}

async fn read_chunk(mut file: File, bytes_max: usize) -> std::io::Result<(File, Bytes)> {
    runtime::spawn_blocking(move || {
        let mut bytes = Vec::with_capacity(bytes_max);
        (&mut file).take(bytes_max as u64).read_to_end(&mut bytes)?;
        Ok((file, Bytes::from(bytes)))
    })
    .await?
}

fn streaming_error(error: RPCError<TypeConfig>) -> StreamingError<TypeConfig> {
    error.into()
}

/// A file that cannot be built or read now is no reason to stop leading: the follower is tried
/// again after a pause.
fn storage_error(error: impl ToString) -> StreamingError<TypeConfig> {
    let error = error.to_string();
    tracing::warn!(%error, "a snapshot cannot be sent");
    StreamingError::Unreachable(Unreachable::from_string(error))
}

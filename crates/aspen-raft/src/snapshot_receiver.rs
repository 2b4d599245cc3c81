//! Receives a snapshot file from the leader, chunk by chunk, before it is installed.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use aspen_core::{PeerRejection, runtime};

use crate::message::{SnapshotBegin, SnapshotChunk, SnapshotFinish};
use crate::snapshot_data::{ReceivedFile, SnapshotData};
use crate::types::{Snapshot, SnapshotMeta, Vote};

/// The one transfer that a group may have under way. A new one replaces it: leaders send one at a
/// time, so the older one was interrupted.
#[derive(Default)]
pub(crate) struct SnapshotReceiver {
    incoming: tokio::sync::Mutex<Option<Incoming>>,
}

struct Incoming {
    transfer: u64,
    vote: Vote,
    meta: SnapshotMeta,
    len_bytes: u64,
    received_bytes: u64,
    /// Declared before the path's guard: it is closed before the file is removed.
    file: File,
    path: ReceivedFile,
}

impl SnapshotReceiver {
    /// Starts a transfer into a new file at `path`.
    pub(crate) async fn begin(
        &self,
        begin: SnapshotBegin,
        path: PathBuf,
    ) -> Result<(), PeerRejection> {
        let meta = begin.meta.try_into().map_err(malformed)?;
        let mut incoming = self.incoming.lock().await;
        // The older file may have the same path: remove it before the new one is made.
        *incoming = None;
        let path = ReceivedFile(path);
        let target = path.0.clone();
        let file = runtime::spawn_blocking(move || File::create(target)).await;
        *incoming = Some(Incoming {
            transfer: begin.transfer,
            vote: begin.vote.into(),
            meta,
            len_bytes: begin.len_bytes,
            received_bytes: 0,
            file: file.and_then(|file| file).map_err(unavailable)?,
            path,
        });
        Ok(())
    }

    /// Adds the next piece. Anything unexpected discards the transfer.
    pub(crate) async fn chunk(&self, chunk: SnapshotChunk) -> Result<(), PeerRejection> {
        let mut slot = self.incoming.lock().await;
        let mut incoming = take(&mut slot, chunk.transfer)?;
        let end = incoming.received_bytes.saturating_add(chunk.bytes.len() as u64);
        if chunk.offset != incoming.received_bytes || end > incoming.len_bytes {
            return Err(malformed("a chunk is out of place"));
        }
        let written = runtime::spawn_blocking(move || {
            incoming.file.write_all(&chunk.bytes)?;
            incoming.received_bytes = end;
            Ok::<_, std::io::Error>(incoming)
        });
        *slot = Some(written.await.and_then(|written| written).map_err(unavailable)?);
        Ok(())
    }

    /// Hands out the complete file with the vote of the leader that sent it.
    pub(crate) async fn finish(
        &self,
        finish: SnapshotFinish,
    ) -> Result<(Vote, Snapshot), PeerRejection> {
        let mut slot = self.incoming.lock().await;
        let Incoming { vote, meta, len_bytes, received_bytes, file, path, .. } =
            take(&mut slot, finish.transfer)?;
        if received_bytes != len_bytes {
            return Err(malformed("the transfer is not complete"));
        }
        let synced = runtime::spawn_blocking(move || file.sync_all()).await;
        synced.and_then(|synced| synced).map_err(unavailable)?;
        Ok((vote, Snapshot { meta, snapshot: SnapshotData::Received(path) }))
    }
}

/// Takes the transfer out of its slot; what is not put back is discarded.
fn take(slot: &mut Option<Incoming>, transfer: u64) -> Result<Incoming, PeerRejection> {
    match slot.take() {
        Some(incoming) if incoming.transfer == transfer => Ok(incoming),
        other => {
            *slot = other;
            Err(malformed("no such transfer"))
        }
    }
}

fn malformed(error: impl ToString) -> PeerRejection {
    PeerRejection::Malformed(error.to_string())
}

fn unavailable(error: std::io::Error) -> PeerRejection {
    PeerRejection::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use bytes::Bytes;

    use super::*;
    use crate::types::LeaderId;

    fn begin(transfer: u64, len_bytes: u64) -> SnapshotBegin {
        let vote = Vote { leader_id: LeaderId { term: 1, node_id: 1 }, committed: true };
        let meta = (&SnapshotMeta::default()).into();
        SnapshotBegin { transfer, vote: vote.into(), meta, len_bytes }
    }

    fn chunk(transfer: u64, offset: u64, bytes: &'static [u8]) -> SnapshotChunk {
        SnapshotChunk { transfer, offset, bytes: Bytes::from_static(bytes) }
    }

    #[tokio::test]
    async fn chunks_in_order_make_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("incoming");
        let receiver = SnapshotReceiver::default();
        receiver.begin(begin(1, 4), path.clone()).await.unwrap();
        receiver.chunk(chunk(1, 0, b"ab")).await.unwrap();
        receiver.chunk(chunk(1, 2, b"cd")).await.unwrap();
        let (_, snapshot) = receiver.finish(SnapshotFinish { transfer: 1 }).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abcd");
        drop(snapshot);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn anything_out_of_place_discards_the_transfer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("incoming");
        let receiver = SnapshotReceiver::default();
        for wrong in [chunk(1, 1, b"ab"), chunk(1, 0, b"too long")] {
            receiver.begin(begin(1, 4), path.clone()).await.unwrap();
            assert!(receiver.chunk(wrong).await.is_err());
            assert!(!path.exists());
            assert!(receiver.chunk(chunk(1, 0, b"ab")).await.is_err());
        }
        receiver.begin(begin(1, 4), path.clone()).await.unwrap();
        assert!(receiver.finish(SnapshotFinish { transfer: 1 }).await.is_err());
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_new_transfer_replaces_the_one_under_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("incoming");
        let receiver = SnapshotReceiver::default();
        receiver.begin(begin(1, 2), path.clone()).await.unwrap();
        receiver.begin(begin(2, 2), path.clone()).await.unwrap();
        assert!(receiver.chunk(chunk(1, 0, b"xx")).await.is_err());
        receiver.chunk(chunk(2, 0, b"ab")).await.unwrap();
        receiver.finish(SnapshotFinish { transfer: 2 }).await.unwrap();
    }
}

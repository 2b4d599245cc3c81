//! Receives a snapshot file from the leader, chunk by chunk, before it is installed.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use aspen_core::{GroupId, PeerRejection, runtime};
use aspen_storage::StateError;
use aspen_storage::state::SnapshotReader;

use crate::coherence::{Known, check_snapshot};
use crate::message::{SnapshotBegin, SnapshotChunk, SnapshotFinish};
use crate::snapshot_data::{ReceivedFile, SnapshotData, meta_of};
use crate::types::{Snapshot, SnapshotMeta, Vote};

/// How long a snapshot file may be. At the speed of a fast disk a longer one takes most of an hour,
/// and no group should have grown so large without being split.
const SNAPSHOT_BYTES_MAX: u64 = 1 << 40;

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
        known: Known,
    ) -> Result<(), PeerRejection> {
        let (vote, meta) = (begin.vote.into(), begin.meta.try_into().map_err(malformed)?);
        check_snapshot(&vote, &meta, known).map_err(malformed)?;
        if begin.len_bytes > SNAPSHOT_BYTES_MAX {
            return Err(malformed("a snapshot longer than SNAPSHOT_BYTES_MAX"));
        }
        let mut incoming = self.incoming.lock().await;
        // The older file may have the same path: remove it before the new one is made.
        *incoming = None;
        let path = ReceivedFile(path);
        let target = path.0.clone();
        let file = runtime::spawn_blocking(move || File::create(target)).await;
        *incoming = Some(Incoming {
            transfer: begin.transfer,
            vote,
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

    /// Hands out the complete file with the vote of the leader that sent it, once every byte has
    /// passed its checks: what comes after this cannot be refused any more.
    pub(crate) async fn finish(
        &self,
        finish: SnapshotFinish,
        group: GroupId,
    ) -> Result<(Vote, Snapshot), PeerRejection> {
        let mut slot = self.incoming.lock().await;
        let Incoming { vote, meta, len_bytes, received_bytes, file, path, .. } =
            take(&mut slot, finish.transfer)?;
        if received_bytes != len_bytes {
            return Err(malformed("the transfer is not complete"));
        }
        let target = path.0.clone();
        let synced = runtime::spawn_blocking(move || {
            file.sync_all()?;
            Ok::<_, std::io::Error>(SnapshotReader::verify(&target))
        });
        let verified = synced.await.and_then(|synced| synced).map_err(unavailable)?;
        let header = verified.map_err(unfit)?;
        let covers = meta_of(&header.applied).map_err(malformed)?;
        if header.group != group || covers != meta {
            return Err(malformed("the file is not what the transfer was about"));
        }
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

fn unfit(error: StateError) -> PeerRejection {
    match error {
        StateError::Corrupt(_) | StateError::Incompatible(_) => malformed(error),
        _ => PeerRejection::Unavailable(error.to_string()),
    }
}

fn unavailable(error: std::io::Error) -> PeerRejection {
    PeerRejection::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use aspen_core::Revision;
    use aspen_storage::AppliedState;
    use aspen_storage::state::{SnapshotHeader, SnapshotWriter};
    use bytes::Bytes;

    use super::*;
    use crate::types::{LeaderId, LogId};

    const VOTE: Vote = Vote { leader_id: LeaderId { term: 1, node_id: 1 }, committed: true };
    const KNOWN: Known = Known { vote: VOTE, committed: None };

    fn begin(transfer: u64, len: usize) -> SnapshotBegin {
        let meta = (&SnapshotMeta::default()).into();
        SnapshotBegin { transfer, vote: VOTE.into(), meta, len_bytes: len as u64 }
    }

    fn chunk(transfer: u64, offset: usize, bytes: &[u8]) -> SnapshotChunk {
        SnapshotChunk { transfer, offset: offset as u64, bytes: Bytes::copy_from_slice(bytes) }
    }

    /// A snapshot of a group that has applied nothing.
    fn file() -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("snapshot");
        let header = SnapshotHeader {
            group: GroupId::META,
            applied: AppliedState::default(),
            revision: Revision::new(0),
            horizon: Revision::new(0),
            clock_ms: 0,
            lease_grants: 0,
        };
        let mut writer = SnapshotWriter::create(&path, &header).unwrap();
        writer.row(b"a row").unwrap();
        writer.finish().unwrap();
        std::fs::read(&path).unwrap()
    }

    struct Receiving {
        receiver: SnapshotReceiver,
        path: PathBuf,
        _dir: tempfile::TempDir,
    }

    impl Receiving {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("incoming");
            Self { receiver: SnapshotReceiver::default(), path, _dir: dir }
        }

        async fn begin(&self, transfer: u64, len: usize) -> Result<(), PeerRejection> {
            self.receiver.begin(begin(transfer, len), self.path.clone(), KNOWN).await
        }

        async fn finish(&self, transfer: u64, group: GroupId) -> Result<(), PeerRejection> {
            let finished = self.receiver.finish(SnapshotFinish { transfer }, group).await;
            finished.map(|_| ())
        }

        /// Sends a whole file.
        async fn receive(&self, file: &[u8], group: GroupId) -> Result<(), PeerRejection> {
            self.begin(1, file.len()).await?;
            self.receiver.chunk(chunk(1, 0, file)).await?;
            self.finish(1, group).await
        }
    }

    #[tokio::test]
    async fn chunks_in_order_make_the_file() {
        let (receiving, file) = (Receiving::new(), file());
        receiving.begin(1, file.len()).await.unwrap();
        receiving.receiver.chunk(chunk(1, 0, &file[..20])).await.unwrap();
        receiving.receiver.chunk(chunk(1, 20, &file[20..])).await.unwrap();
        let finish = SnapshotFinish { transfer: 1 };
        let (_, snapshot) = receiving.receiver.finish(finish, GroupId::META).await.unwrap();
        assert_eq!(std::fs::read(&receiving.path).unwrap(), file);
        drop(snapshot);
        assert!(!receiving.path.exists());
    }

    #[tokio::test]
    async fn anything_out_of_place_discards_the_transfer() {
        let receiving = Receiving::new();
        for wrong in [chunk(1, 1, b"ab"), chunk(1, 0, b"too long")] {
            receiving.begin(1, 4).await.unwrap();
            assert!(receiving.receiver.chunk(wrong).await.is_err());
            assert!(!receiving.path.exists());
            assert!(receiving.receiver.chunk(chunk(1, 0, b"ab")).await.is_err());
        }
        receiving.begin(1, 4).await.unwrap();
        assert!(receiving.finish(1, GroupId::META).await.is_err());
        assert!(!receiving.path.exists());
    }

    #[tokio::test]
    async fn a_new_transfer_replaces_the_one_under_way() {
        let (receiving, file) = (Receiving::new(), file());
        receiving.begin(1, file.len()).await.unwrap();
        receiving.begin(2, file.len()).await.unwrap();
        assert!(receiving.receiver.chunk(chunk(1, 0, &file)).await.is_err());
        receiving.receiver.chunk(chunk(2, 0, &file)).await.unwrap();
        receiving.finish(2, GroupId::META).await.unwrap();
    }

    #[tokio::test]
    async fn a_damaged_file_or_one_of_another_group_is_refused() {
        let (receiving, file) = (Receiving::new(), file());
        receiving.receive(&file, GroupId::META).await.unwrap();
        assert!(receiving.receive(&file, GroupId::from_raw(7)).await.is_err());
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0x10;
            let refused = receiving.receive(&damaged, GroupId::META).await.unwrap_err();
            assert!(matches!(refused, PeerRejection::Malformed(_)), "byte {at}: {refused}");
            assert!(!receiving.path.exists());
        }
    }

    #[tokio::test]
    async fn a_transfer_that_no_leader_begins_is_refused() {
        let receiving = Receiving::new();
        let refuse = async |begin| {
            let refused = receiving.receiver.begin(begin, receiving.path.clone(), KNOWN).await;
            assert!(matches!(refused, Err(PeerRejection::Malformed(_))), "{refused:?}");
            assert!(!receiving.path.exists());
        };
        refuse(SnapshotBegin { len_bytes: SNAPSHOT_BYTES_MAX + 1, ..begin(1, 0) }).await;
        refuse(SnapshotBegin { vote: Vote { committed: false, ..VOTE }.into(), ..begin(1, 0) })
            .await;
        let leader_id = LeaderId { term: 2, node_id: 1 };
        let beyond = SnapshotMeta {
            last_log_id: Some(LogId { leader_id, index: 5 }),
            ..SnapshotMeta::default()
        };
        refuse(SnapshotBegin { meta: (&beyond).into(), ..begin(1, 0) }).await;
    }
}

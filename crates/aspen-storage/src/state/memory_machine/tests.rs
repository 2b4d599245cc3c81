#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{Command, KeyRange, LogIndex, Operation, Proposal, Transaction, Value};
use bytes::Bytes;

use super::*;
use crate::state::Position;

fn position(index: u64) -> Position {
    Position { index: LogIndex::new(index), marker: Bytes::from_static(b"term 1") }
}

fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

fn put(index: u64, name: &str) -> Entry {
    let success = vec![Operation::put(key(name), Value::try_from("v").unwrap())];
    let command = Command::Transaction(Transaction { success, ..Transaction::default() });
    let proposals = vec![Proposal { session: None, command }];
    let batch = ProposalBatch { time_ms: index, proposals };
    let payload = EntryPayload::Batch(aspen_core::codec::encode(&batch).unwrap());
    Entry { position: position(index), payload }
}

async fn filled(group: GroupId, dir: &std::path::Path) -> Arc<MemoryStateMachine> {
    let machine = MemoryStateMachine::new(group, dir);
    let members = EntryPayload::Membership(Bytes::from_static(b"members"));
    let entries = vec![
        Entry { position: position(0), payload: members },
        Entry { position: position(1), payload: EntryPayload::Blank },
        put(2, "a"),
        put(3, "a"),
    ];
    let replies = machine.apply(entries).await.unwrap();
    assert_eq!(replies.iter().map(Vec::len).collect::<Vec<_>>(), [0, 0, 1, 1]);
    machine
}

async fn page(machine: &MemoryStateMachine, at: Option<Revision>) -> ScanPage {
    machine.scan(ScanRequest::new(KeyRange::all()), at).await.unwrap()
}

#[tokio::test]
async fn a_restarted_replica_finds_what_it_applied() {
    let dir = tempfile::tempdir().unwrap();
    let old = filled(GroupId::META, dir.path()).await;
    let new = MemoryStateMachine::open(&old.disk());
    assert_eq!(new.applied().position, Some(position(3)));
    assert_eq!(new.revision(), Revision::new(2));
    let stopped = old.apply(vec![put(4, "b")]).await;
    assert!(matches!(stopped, Err(StateError::Stopped(_))), "{stopped:?}");
    new.apply(vec![put(4, "b")]).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_carries_the_state_with_its_history() {
    let dir = tempfile::tempdir().unwrap();
    let source = filled(GroupId::META, &dir.path().join("source")).await;
    let built = source.build_snapshot().await.unwrap();
    assert_eq!(source.latest_snapshot().await.unwrap(), Some(built.clone()));
    let target = MemoryStateMachine::new(GroupId::META, dir.path().join("target"));
    let incoming = target.incoming_path();
    std::fs::copy(&built.path, &incoming).unwrap();
    assert_eq!(target.install_snapshot(incoming).await.unwrap(), source.applied());
    for at in [None, Some(Revision::new(1))] {
        assert_eq!(page(&target, at).await, page(&source, at).await);
    }
    assert_eq!(target.latest_snapshot().await.unwrap().unwrap().len_bytes, built.len_bytes);
    assert_eq!(target.check_integrity().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_snapshot_that_fails_a_check_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let source = filled(GroupId::META, &dir.path().join("source")).await;
    let built = source.build_snapshot().await.unwrap();
    let other = GroupId::from_raw(1);
    let stranger = MemoryStateMachine::new(other, dir.path().join("stranger"));
    let refused = stranger.install_snapshot(built.path.clone()).await;
    assert!(matches!(refused, Err(StateError::Incompatible(_))), "{refused:?}");
    let target = filled(GroupId::META, &dir.path().join("target")).await;
    let before = target.applied();
    let incoming = target.incoming_path();
    let mut bytes = std::fs::read(&built.path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&incoming, bytes).unwrap();
    let refused = target.install_snapshot(incoming).await;
    assert!(matches!(refused, Err(StateError::Corrupt(_))), "{refused:?}");
    assert_eq!(target.applied(), before);
    assert_eq!(target.revision(), Revision::new(2));
}

#[tokio::test]
async fn leftovers_go_when_it_opens_and_old_snapshots_when_new_ones_come() {
    let dir = tempfile::tempdir().unwrap();
    let machine = filled(GroupId::META, dir.path()).await;
    std::fs::write(machine.incoming_path(), b"half").unwrap();
    std::fs::write(dir.path().join("snapshot-9.tmp"), b"half").unwrap();
    let machine = MemoryStateMachine::open(&machine.disk());
    for _ in 0..4 {
        machine.build_snapshot().await.unwrap();
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    machine.close().await.unwrap();
    assert!(matches!(machine.flush().await, Err(StateError::Stopped(_))));
}

#[tokio::test]
async fn an_entry_that_does_not_decode_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let machine = MemoryStateMachine::new(GroupId::META, dir.path());
    let payload = EntryPayload::Batch(Bytes::from_static(b"\xff\xff\xff"));
    let applied = machine.apply(vec![Entry { position: position(0), payload }]).await;
    assert!(matches!(applied, Err(StateError::Corrupt(_))), "{applied:?}");
}

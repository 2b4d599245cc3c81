//! Snapshot files: damaged ones, and sound ones whose rows are hostile.

use std::path::Path;

use aspen_core::{
    Command, GroupId, LogIndex, Operation, Proposal, ProposalBatch, Transaction, Value, codec,
};
use aspen_storage::state::{
    HEAD_BYTES_MIN, SNAPSHOT_HEADER_BYTES_MAX, SnapshotHeader, SnapshotReader, SnapshotWriter,
};
use aspen_storage::{
    AppliedState, Entry, EntryPayload, MemoryStateMachine, Position, SqliteStateMachine,
    StateError, StateMachine, StateOptions,
};
use bytes::Bytes;

use crate::heap::watch;
use crate::hostile::Hostile;
use crate::requests::{key, stamp};

/// A reader holds a block, its compressed form, a row and a digest, whatever the file says.
const READER_BYTES_MAX: usize = 24 * 1024 * 1024;

const GROUP: GroupId = GroupId::META;

/// Opens a session, changes a key that all change and one of its own, and removes another.
fn entry(index: u64) -> Entry {
    let put = |name: &str| Operation::put(key(name), Value::try_from("value").unwrap());
    let success = vec![
        put("shared"),
        put(&format!("key {index}")),
        Operation::Delete { key: key(&format!("key {}", index.saturating_sub(2))) },
    ];
    let write = Command::Transaction(Transaction { success, ..Transaction::default() });
    let commands = [Command::OpenSession { client: stamp().client }, write];
    let proposals = commands.map(|command| Proposal { session: None, command }).to_vec();
    let batch = ProposalBatch { time_ms: 5, proposals };
    let position = Position { index: LogIndex::new(index), marker: Bytes::from_static(b"at") };
    Entry { position, payload: EntryPayload::Batch(codec::encode(&batch).unwrap()) }
}

/// The bytes of a small snapshot with keys, history and a session.
async fn snapshot(dir: &Path) -> Vec<u8> {
    let machine = open(dir);
    for index in 1..=5 {
        machine.apply(vec![entry(index)]).await.unwrap();
    }
    let file = machine.build_snapshot().await.unwrap();
    machine.close().await.unwrap();
    std::fs::read(file.path).unwrap()
}

fn open(dir: &Path) -> std::sync::Arc<SqliteStateMachine> {
    let options = StateOptions { head_bytes_max: HEAD_BYTES_MIN, ..StateOptions::default() };
    SqliteStateMachine::open(dir, GROUP, options).unwrap()
}

fn is_specific(error: &StateError) -> bool {
    match error {
        StateError::Corrupt(what) | StateError::Incompatible(what) => what.contains("snapshot"),
        _ => false,
    }
}

#[tokio::test]
async fn damaged_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = snapshot(dir.path()).await;
    let path = dir.path().join("hostile");
    let mut hostile = Hostile::new(40, vec![good.clone()]);
    let mut refused = 0;
    for number in 0..2_000 {
        let bytes = hostile.next();
        std::fs::write(&path, &bytes).unwrap();
        let taken = watch(|| SnapshotReader::verify(&path));
        assert!(taken.peak_bytes < READER_BYTES_MAX, "file {number}: {} bytes", taken.peak_bytes);
        match taken.result {
            Ok(_) => assert_eq!(bytes, good, "file {number} passes for a good one"),
            Err(error) => {
                assert!(is_specific(&error), "file {number}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 1_000, "only {refused} were refused");
}

/// Whatever the lengths in a file say, its header is at most so long.
#[test]
fn lengths_buy_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hostile");
    for len in [u32::MAX, 1 << 30, (SNAPSHOT_HEADER_BYTES_MAX + 1) as u32] {
        let header = [b"ASPENSNP".as_slice(), &1u32.to_le_bytes(), &len.to_le_bytes()].concat();
        std::fs::write(&path, header).unwrap();
        let taken = watch(|| SnapshotReader::verify(&path));
        assert!(is_specific(&taken.result.unwrap_err()));
        assert!(taken.peak_bytes < READER_BYTES_MAX, "{} bytes", taken.peak_bytes);
    }
}

fn header() -> SnapshotHeader {
    let position = Position { index: LogIndex::new(9), marker: Bytes::from_static(b"at") };
    SnapshotHeader {
        group: GROUP,
        applied: AppliedState { position: Some(position), membership: None },
        revision: aspen_core::Revision::new(50),
        horizon: aspen_core::Revision::ZERO,
        clock_ms: 5,
        lease_grants: 3,
    }
}

fn rows_of(path: &Path) -> Vec<Vec<u8>> {
    let mut reader = SnapshotReader::open(path).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row().unwrap() {
        rows.push(row.to_vec());
    }
    rows
}

/// Writes a file that is sound as a file; its rows are another matter.
fn write(path: &Path, rows: &[Vec<u8>]) {
    let mut writer = SnapshotWriter::create(path, &header()).unwrap();
    rows.iter().for_each(|row| writer.row(row).unwrap());
    writer.finish().unwrap();
}

/// Some rows as they should be, some not.
fn hostile_rows(hostile: &mut Hostile, good: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut rows = good.to_vec();
    for _ in 0..1 + hostile.below(3) {
        let at = hostile.below(rows.len());
        match hostile.below(3) {
            0 => rows[at] = hostile.next(),
            1 => rows.insert(at, hostile.next()),
            _ => drop(rows.remove(at)),
        }
        if rows.is_empty() {
            rows.push(hostile.next());
        }
    }
    rows
}

async fn check_rows(machine: &dyn StateMachine, seed: u64, files: usize) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("good");
    std::fs::write(&path, snapshot(dir.path()).await).unwrap();
    let good = rows_of(&path);
    assert!(good.len() > 5, "{} rows", good.len());
    let mut hostile = Hostile::new(seed, good.clone());
    let (mut installed, mut refused) = (0, 0);
    for number in 0..files {
        let before = (machine.applied(), machine.revision());
        let incoming = machine.incoming_path();
        write(&incoming, &hostile_rows(&mut hostile, &good));
        match machine.install_snapshot(incoming).await {
            Ok(_) => installed += 1,
            Err(error) => {
                assert!(is_specific(&error), "file {number}: {error}");
                assert_eq!((machine.applied(), machine.revision()), before, "file {number}");
                refused += 1;
            }
        }
    }
    assert!(refused * 4 > files, "{refused} were refused, {installed} installed");
}

#[tokio::test]
async fn hostile_rows_are_refused_by_the_database() {
    let dir = tempfile::tempdir().unwrap();
    check_rows(&*open(dir.path()), 41, 120).await;
}

#[tokio::test]
async fn hostile_rows_are_refused_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    check_rows(&*MemoryStateMachine::new(GROUP, dir.path()), 42, 400).await;
}

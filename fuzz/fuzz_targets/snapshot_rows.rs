//! Snapshots that are sound as files: what their rows say. The first byte of each row is its
//! length.
#![no_main]

use std::path::Path;

use aspen_core::{GroupId, Revision};
use aspen_storage::state::{SnapshotHeader, SnapshotWriter};
use aspen_storage::{AppliedState, MemoryStateMachine, StateError, StateMachine};
use libfuzzer_sys::fuzz_target;

fn write(path: &Path, mut rows: &[u8]) -> Result<(), StateError> {
    let header = SnapshotHeader {
        group: GroupId::META,
        applied: AppliedState::default(),
        revision: Revision::new(u64::from(rows.first().copied().unwrap_or_default())),
        horizon: Revision::ZERO,
        clock_ms: 0,
        lease_grants: 256,
    };
    let mut writer = SnapshotWriter::create(path, &header)?;
    while let [len, tail @ ..] = rows {
        let (row, next) = tail.split_at(tail.len().min(usize::from(*len)));
        writer.row(row)?;
        rows = next;
    }
    writer.finish().map(drop)
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(dir) = tempfile::tempdir() else { return };
    let machine = MemoryStateMachine::new(GroupId::META, dir.path());
    let incoming = machine.incoming_path();
    if write(&incoming, bytes).is_err() {
        return;
    }
    let installed = aspen_fuzz::block_on(machine.install_snapshot(incoming));
    let faults = aspen_fuzz::block_on(machine.check_integrity());
    assert!(installed.is_err() || faults.is_ok_and(|faults| faults.is_empty()));
});

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use aspen_core::{GroupId, LogIndex, Revision};
use bytes::Bytes;

use super::*;
use crate::state::{AppliedState, Position, StateError};

fn header() -> SnapshotHeader {
    let position = Position { index: LogIndex::new(7), marker: Bytes::from_static(b"term 3") };
    SnapshotHeader {
        group: GroupId::META,
        applied: AppliedState {
            position: Some(position.clone()),
            membership: Some((position, Bytes::from_static(b"members"))),
        },
        revision: Revision::new(41),
        horizon: Revision::new(4),
        clock_ms: 99,
        lease_grants: 5,
    }
}

/// Rows of many lengths, one of them longer than a block.
fn rows() -> Vec<Vec<u8>> {
    let mut rows: Vec<Vec<u8>> = (0u32..700)
        .map(|i| (0..i % 700).map(|j| (i.wrapping_mul(j) >> 3) as u8).collect())
        .collect();
    rows.push(vec![9; SNAPSHOT_BLOCK_BYTES_MAX + 13]);
    rows
}

fn write(path: &Path) -> Vec<Vec<u8>> {
    let mut writer = SnapshotWriter::create(path, &header()).unwrap();
    let rows = rows();
    rows.iter().for_each(|row| writer.row(row).unwrap());
    let file = writer.finish().unwrap();
    assert_eq!(file.len_bytes, std::fs::metadata(path).unwrap().len());
    rows
}

#[test]
fn what_was_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let rows = write(&path);
    let mut reader = SnapshotReader::open(&path).unwrap();
    assert_eq!(reader.header(), &header());
    for row in &rows {
        assert_eq!(reader.next_row().unwrap(), Some(&row[..]));
    }
    assert_eq!(reader.next_row().unwrap(), None);
    assert_eq!(reader.next_row().unwrap(), None);
    assert_eq!(SnapshotReader::verify(&path).unwrap(), header());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no .tmp is left");
}

#[test]
fn an_unfinished_file_never_gets_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = SnapshotWriter::create(&dir.path().join("s"), &header()).unwrap();
    writer.row(b"row").unwrap();
    drop(writer);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn every_damaged_byte_and_every_cut_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    write(&path);
    let good = std::fs::read(&path).unwrap();
    let damaged = dir.path().join("damaged");
    let step = good.len() / 31;
    let places = (0..60).chain((0..good.len()).step_by(step)).chain(good.len() - 60..good.len());
    for at in places {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&damaged, &bytes).unwrap();
        assert!(SnapshotReader::verify(&damaged).is_err(), "byte {at}");
        std::fs::write(&damaged, &good[..at]).unwrap();
        let cut = SnapshotReader::verify(&damaged);
        assert!(matches!(cut, Err(StateError::Corrupt(_))), "cut at {at}");
    }
    let mut longer = good;
    longer.push(0);
    std::fs::write(&damaged, &longer).unwrap();
    assert!(matches!(SnapshotReader::verify(&damaged), Err(StateError::Corrupt(_))));
}

#[test]
fn a_newer_format_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    write(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 4;
    std::fs::write(&path, &bytes).unwrap();
    match SnapshotReader::verify(&path) {
        Err(StateError::Incompatible(detail)) => assert!(detail.contains("format 4"), "{detail}"),
        other => panic!("{other:?}"),
    }
}

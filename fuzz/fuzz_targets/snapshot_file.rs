//! Snapshot files.
#![no_main]

use aspen_storage::state::SnapshotReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(dir) = tempfile::tempdir() else { return };
    let path = dir.path().join("file");
    if std::fs::write(&path, bytes).is_ok() {
        let _ = SnapshotReader::verify(&path);
    }
});

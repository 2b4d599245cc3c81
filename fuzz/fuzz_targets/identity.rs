//! The file that says whose a data directory is.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(dir) = tempfile::tempdir() else { return };
    if std::fs::write(dir.path().join("identity.json"), bytes).is_ok() {
        let _ = aspen_fuzz::block_on(aspen_node::check_dir(dir.path()));
    }
});

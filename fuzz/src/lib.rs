//! What the fuzz targets share. Run one with `cargo +nightly fuzz run <target>` from the top of the
//! repository; `cargo check` here shows that all of them still fit the code. Set
//! `ASAN_OPTIONS=detect_odr_violation=0`: two modules of SQLite have tables of the same name, which
//! the sanitizer reports before the first input. `-malloc_limit_mb=64` holds for all targets but
//! `log_file`, whose file has its first size at once.
//!
//! Short tests on a stable compiler, which run with all other tests, bombard the same decoders:
//! `tests/tests/decoders`, `crates/aspen-net/tests/decoders.rs`, `crates/aspen-cli/src/fuzzing` and
//! the tests of the log in `aspen-storage`.

mod disk;
mod replica;

pub use disk::MemoryLogDisk;
pub use replica::Replica;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Decodes a value of ours; what decodes must encode, and come back the same.
pub fn check_codec<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(value) = aspen_core::codec::decode::<T>(bytes) else { return };
    let Ok(encoded) = aspen_core::codec::encode(&value) else {
        panic!("what was decoded cannot be encoded: {value:?}");
    };
    let again = aspen_core::codec::decode::<T>(&encoded);
    assert_eq!(again.ok(), Some(value));
}

/// Decodes a value as it travels between processes.
pub fn check_postcard<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(value) = postcard::from_bytes::<T>(bytes) else { return };
    let Ok(encoded) = postcard::to_allocvec(&value) else {
        panic!("what was decoded cannot be encoded: {value:?}");
    };
    assert_eq!(postcard::from_bytes::<T>(&encoded).ok(), Some(value));
}

/// Runs a future to its end on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => panic!("no runtime: {error}"),
    }
}

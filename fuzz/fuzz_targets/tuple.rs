//! Keys that are packed tuples: what unpacks, packs to the same bytes.
#![no_main]

use aspen_layers::tuple::{Tuple, pack, unpack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match unpack::<Tuple>(bytes) {
        Ok(tuple) => assert_eq!(pack(&tuple).as_deref(), Ok(bytes)),
        Err(error) => assert!(error.offset <= bytes.len()),
    }
});

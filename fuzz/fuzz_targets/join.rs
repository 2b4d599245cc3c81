//! What a joining process asks, and what it is told.
#![no_main]

use aspen_core::{JoinReply, JoinRequest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    aspen_fuzz::check_codec::<JoinRequest>(bytes);
    aspen_fuzz::check_codec::<JoinReply>(bytes);
});

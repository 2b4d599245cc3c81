//! What members send each other, as it comes from the network, and its answer.
#![no_main]

use aspen_core::{PeerRejection, PeerRequest};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    aspen_fuzz::check_postcard::<PeerRequest>(bytes);
    aspen_fuzz::check_postcard::<Result<Bytes, PeerRejection>>(bytes);
});

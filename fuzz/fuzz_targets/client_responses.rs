//! What a node answers a client.
#![no_main]

use aspen_core::ClientResponse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    aspen_fuzz::check_codec::<Vec<ClientResponse>>(bytes);
    aspen_fuzz::check_postcard::<Vec<ClientResponse>>(bytes);
});

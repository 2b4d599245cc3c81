//! What a client sends: the batch as it comes from the network.
#![no_main]

use aspen_core::ClientRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    aspen_fuzz::check_codec::<Vec<ClientRequest>>(bytes);
    aspen_fuzz::check_postcard::<Vec<ClientRequest>>(bytes);
});

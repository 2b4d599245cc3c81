//! Tickets: as texts, and as contents with a good checksum.
#![no_main]

use aspen_net::Ticket;
use data_encoding::BASE32_NOPAD;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = String::from_utf8_lossy(bytes).parse::<Ticket>();
    let sum = blake3::hash(bytes);
    let whole = [bytes, &sum.as_bytes()[..4]].concat();
    if let Ok(ticket) = format!("aspen{}", BASE32_NOPAD.encode(&whole)).parse::<Ticket>() {
        assert_eq!(ticket.to_string().parse(), Ok(ticket));
    }
});

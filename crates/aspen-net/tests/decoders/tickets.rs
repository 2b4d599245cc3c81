//! Tickets, which people paste, and which anybody can make.

use aspen_core::{ClusterId, EndpointKey, codec};
use aspen_net::{PeerAddress, Ticket};
use data_encoding::BASE32_NOPAD;

use crate::hostile::{Hostile, bombard};

fn ticket() -> Ticket {
    let endpoint = EndpointKey::new([5; 32]);
    let addresses = vec!["127.0.0.1:4711".parse().unwrap(), "[::1]:4711".parse().unwrap()];
    let peers = vec![PeerAddress { endpoint, addresses }; 3];
    // A grant: read, no end, a nonce and a secret.
    let grant = codec::decode(&[[0, 0].as_slice(), &[3; 16], &[4; 32]].concat()).unwrap();
    Ticket { cluster: ClusterId::new([1; 16]), peers, grant: Some(grant) }
}

#[test]
fn texts() {
    let good = ticket().to_string();
    assert_eq!(good.parse::<Ticket>().unwrap(), ticket());
    let mut hostile = Hostile::new(1, vec![good.into_bytes()]);
    bombard(&mut hostile, 4_000, |bytes| {
        String::from_utf8_lossy(bytes).parse::<Ticket>().map(drop)
    });
}

/// As above, with the checksum made right again.
#[test]
fn contents() {
    let mut fields = vec![1];
    fields.extend_from_slice(&codec::encode(&ticket()).unwrap());
    let mut hostile = Hostile::new(2, vec![fields]);
    let mut malformed = 0;
    bombard(&mut hostile, 4_000, |bytes| {
        let sum = blake3::hash(bytes);
        let whole = [bytes, &sum.as_bytes()[..4]].concat();
        let parsed = format!("aspen{}", BASE32_NOPAD.encode(&whole)).parse::<Ticket>();
        malformed += u32::from(matches!(parsed, Err(aspen_net::TicketError::Malformed { .. })));
        parsed.map(drop)
    });
    assert!(malformed > 1_000, "only {malformed} came to the fields");
}

#[test]
fn a_ticket_is_looked_at_up_to_its_limit() {
    for len in [16 * 1024, 1 << 20, 16 << 20] {
        let text = format!("aspen{}", "a".repeat(len));
        let taken = crate::heap::watch(|| text.parse::<Ticket>());
        let error = taken.result.unwrap_err().to_string();
        assert!(error.contains("exceed the limit"), "{error}");
        assert!(taken.peak_bytes < 64 * 1024, "{} bytes", taken.peak_bytes);
    }
}

#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{EndpointKey, Rights};
use proptest::prelude::*;

use super::*;
use crate::grant::GrantClaims;

fn ticket(peers: usize) -> Ticket {
    let claims = GrantClaims { rights: Rights::Write, expires_ms: Some(1_000), nonce: [4; 16] };
    let peer = |n: usize| PeerAddress {
        endpoint: EndpointKey::new([u8::try_from(n).unwrap(); 32]),
        addresses: vec!["127.0.0.1:4001".parse().unwrap(), "[::1]:4002".parse().unwrap()],
    };
    Ticket {
        cluster: ClusterId::new([7; 16]),
        peers: (0..peers).map(peer).collect(),
        grant: Some(Grant::from_parts(claims, [5; 32])),
    }
}

fn text_of(bytes: &[u8]) -> String {
    let mut bytes = bytes.to_vec();
    bytes.extend_from_slice(&checksum(&bytes));
    format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
}

#[test]
fn tickets_round_trip_in_any_case_and_with_white_space() {
    for peers in [0, 1, TICKET_PEERS_MAX] {
        let ticket = ticket(peers);
        let text = ticket.to_string();
        assert_eq!(text.parse(), Ok(ticket.clone()));
        assert_eq!(format!("  {}\n", text.to_ascii_uppercase()).parse(), Ok(ticket));
    }
    let bare = Ticket { grant: None, ..ticket(1) };
    assert_eq!(bare.to_string().parse(), Ok(bare));
}

#[test]
fn the_text_form_is_pinned() {
    assert_eq!(ticket(1).to_string(), include_str!("golden.txt").trim());
}

#[test]
fn each_mistake_has_its_own_error() {
    let text = ticket(2).to_string();
    let parse = |text: &str| text.parse::<Ticket>().unwrap_err();
    assert_eq!(parse(""), TicketError::Prefix);
    assert_eq!(parse("\u{e9}\u{e9}\u{e9}"), TicketError::Prefix);
    assert_eq!(parse("apsen"), TicketError::Prefix);
    assert_eq!(
        parse(&format!("{}1{}", &text[..20], &text[21..])),
        TicketError::Character { position: 20 }
    );
    for len in 5..text.len() {
        assert_eq!(parse(&text[..len]), TicketError::Checksum, "cut to {len}");
    }
    let swapped = if &text[30..31] == "a" { "b" } else { "a" };
    assert_eq!(parse(&format!("{}{swapped}{}", &text[..30], &text[31..])), TicketError::Checksum);
    assert_eq!(parse(&text_of(&[9, 1, 2])), TicketError::Version { version: 9 });
    assert!(matches!(parse(&text_of(&[VERSION, 1, 2])), TicketError::Malformed { .. }));
    assert!(matches!(parse(&format!("aspen{}", "a".repeat(1 << 20))), TicketError::TooLong { .. }));
}

#[test]
fn limits_are_refused_when_read_and_kept_when_written() {
    let many = ticket(TICKET_PEERS_MAX + 1);
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&codec::encode(&many).unwrap());
    let error = text_of(&bytes).parse::<Ticket>().unwrap_err();
    assert_eq!(error, TicketError::TooManyPeers { count: TICKET_PEERS_MAX + 1 });
    let read: Ticket = many.to_string().parse().unwrap();
    assert_eq!(read.peers, many.peers[..TICKET_PEERS_MAX]);
    let mut wide = ticket(1);
    wide.peers[0].addresses = vec!["127.0.0.1:1".parse().unwrap(); ADDRESSES_PER_PEER_MAX + 1];
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&codec::encode(&wide).unwrap());
    let error = text_of(&bytes).parse::<Ticket>().unwrap_err();
    assert_eq!(error, TicketError::TooManyAddresses { count: ADDRESSES_PER_PEER_MAX + 1 });
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = text.parse::<Ticket>();
        let _ = format!("aspen{text}").parse::<Ticket>();
    }

    #[test]
    fn no_bytes_behind_a_right_checksum_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = text_of(&bytes).parse::<Ticket>();
        let mut current = vec![VERSION];
        current.extend_from_slice(&bytes);
        let _ = text_of(&current).parse::<Ticket>();
    }

    #[test]
    fn one_changed_digit_is_noticed(at in 5usize..100, digit in "[a-z2-7]") {
        let text = ticket(2).to_string();
        let changed = format!("{}{digit}{}", &text[..at], &text[at + 1..]);
        prop_assert!(changed == text || changed.parse::<Ticket>().is_err());
    }
}

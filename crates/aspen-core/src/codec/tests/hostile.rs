//! Bytes from strangers: every one of them is an error, soon and without a large allocation.

use bytes::Bytes;

use crate::codec::{DECODE_BYTES_MAX, decode, encode};
use crate::*;

fn batch() -> ProposalBatch {
    let key = Key::try_from("key").unwrap();
    let success = vec![Operation::put(key.clone(), Value::try_from("value").unwrap())];
    let failure = vec![Operation::Scan { range: KeyRange::prefix("k"), limit: 10 }];
    let transaction = Transaction {
        compares: vec![Compare::absent(key)],
        success,
        failure,
        ..Default::default()
    };
    let client = ClientId::new([3; 16]);
    let session = Some(SessionStamp { client, sequence: 300, settled_below: 1 });
    let command = Command::Transaction(transaction);
    ProposalBatch { time_ms: 1_700_000_000_000, proposals: vec![Proposal { session, command }; 3] }
}

/// The encoding of `u64::MAX` as a length.
const HUGE: [u8; 9] = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

#[test]
fn every_truncation_is_an_error() {
    let bytes = encode(&batch()).unwrap();
    for len in 0..bytes.len() {
        assert!(decode::<ProposalBatch>(&bytes[..len]).is_err(), "{len} bytes");
    }
    assert_eq!(decode::<ProposalBatch>(&bytes).unwrap(), batch());
}

#[test]
fn trailing_bytes_are_an_error() {
    let mut bytes = encode(&batch()).unwrap().to_vec();
    bytes.push(0);
    let error = decode::<ProposalBatch>(&bytes).unwrap_err().to_string();
    assert!(error.contains("left over"), "{error}");
}

#[test]
fn a_length_prefix_buys_no_memory() {
    assert!(decode::<Bytes>(&HUGE).is_err());
    assert!(decode::<String>(&HUGE).is_err());
    assert!(decode::<Vec<u64>>(&HUGE).is_err());
    assert!(decode::<Vec<Proposal>>(&HUGE).is_err());
    // A batch at time 0 with that many proposals, and a key of that length inside one.
    assert!(decode::<ProposalBatch>(&[&[0][..], &HUGE].concat()).is_err());
    assert!(decode::<ClientRequest>(&[&[0, 1, 1][..], &HUGE].concat()).is_err());
    // Just what the limit allows, with nothing behind it.
    let allowed = u32::try_from(DECODE_BYTES_MAX - 16).unwrap().to_le_bytes();
    assert!(decode::<Vec<u64>>(&[&[0xfc][..], &allowed].concat()).is_err());
    assert!(decode::<Bytes>(&[&[0xfc][..], &allowed].concat()).is_err());
}

#[test]
fn unknown_variants_are_errors() {
    assert!(decode::<Command>(&[3]).is_err());
    assert!(decode::<Operation>(&[7, 1, b'k']).is_err());
    assert!(decode::<AtomicOperation>(&[10, 1, b'v']).is_err());
    assert!(decode::<ClientRequest>(&[4]).is_err());
    assert!(decode::<Reply>(&[4]).is_err());
    assert!(decode::<Reply>(&HUGE).is_err());
}

#[test]
fn keys_and_values_are_checked_where_they_enter() {
    let empty = decode::<Key>(&[0]).unwrap_err().to_string();
    assert!(empty.contains("key is empty"), "{empty}");
    let long = encode(&vec![7u8; KEY_BYTES_MAX + 1]).unwrap();
    let error = decode::<Key>(&long).unwrap_err().to_string();
    assert!(error.contains("KEY_BYTES_MAX"), "{error}");
    let large = encode(&vec![7u8; VALUE_BYTES_MAX + 1]).unwrap();
    let error = decode::<Value>(&large).unwrap_err().to_string();
    assert!(error.contains("VALUE_BYTES_MAX"), "{error}");
    // Also deep inside: a delete (variant 1) of an empty key.
    assert!(decode::<Operation>(&[1, 0]).is_err());
}

/// A message of 10 MiB that is all elements of 3 bytes, each 30 times as large as a value.
fn flood(before: &[u8], element: &[u8], count: usize) -> Vec<u8> {
    let mut bytes = before.to_vec();
    bytes.push(0xfc);
    bytes.extend_from_slice(&u32::try_from(count).unwrap().to_le_bytes());
    bytes.extend(std::iter::repeat_n(element, count).flatten());
    bytes
}

#[track_caller]
fn refused<T: serde::de::DeserializeOwned + std::fmt::Debug>(bytes: &[u8], limit: &str) {
    let error = decode::<T>(bytes).unwrap_err().to_string();
    assert!(error.contains(limit), "{error}");
}

#[test]
fn a_flood_of_small_elements_is_refused_by_its_length() {
    let elements = MESSAGE_BYTES_MAX / 3;
    // No compares, no conflicts, then deletes of the key `k`, and nothing after them: an error that
    // names the limit was found before the first of them was read.
    let deletes = [1, 1, b'k'];
    let limit = "TRANSACTION_OPERATIONS_MAX";
    refused::<Transaction>(&flood(&[0, 0], &deletes, elements), limit);
    refused::<ClientRequest>(&flood(&[2, 1, 0, 0, 0, 0], &deletes, elements), limit);
    refused::<WriteCommand>(&flood(&[7], &deletes, elements), limit);
    refused::<Reply>(&flood(&[0, 1, 1], &[1, 1], elements), limit);
    refused::<ClientRequest>(&flood(&[0, 1], &[1, b'k'], elements), "READ_KEYS_MAX");
    refused::<ReadReply>(&flood(&[1], &[0], elements), "READ_KEYS_MAX");
    refused::<ProposalBatch>(&flood(&[0], &[0, 2, 0], elements), "BATCH_PROPOSALS_MAX");
    refused::<NodeRecord>(&flood(&[1; 33], &[0], elements), "NODE_ADDRESSES_MAX");
    let cut = flood(&[1], &[], SCAN_RESULTS_MAX as usize + 1);
    refused::<ScanPage>(&cut, "SCAN_RESULTS_MAX");
}

#[test]
fn the_parts_of_a_transaction_are_counted_together() {
    let delete = Operation::Delete { key: Key::try_from("k").unwrap() };
    let half = vec![delete; TRANSACTION_OPERATIONS_MAX / 2];
    let most = Transaction { success: half.clone(), failure: half, ..Transaction::default() };
    let bytes = encode(&most).unwrap();
    assert_eq!(decode::<Transaction>(&bytes).unwrap(), most);
    let part = &bytes[2..2 + (bytes.len() - 2) / 2];
    // The same with a compare more: `k` has version 0.
    let more = [&[1, 1, b'k', 0, 0, 0, 0][..], part, part].concat();
    refused::<Transaction>(&more, "TRANSACTION_OPERATIONS_MAX");
}

/// What cannot be read must not be written, or a log entry could stop every replica.
#[test]
fn what_would_be_refused_is_not_encoded() {
    let delete = Operation::Delete { key: Key::try_from("k").unwrap() };
    let success = vec![delete; TRANSACTION_OPERATIONS_MAX];
    let compares = vec![Compare::absent(Key::try_from("k").unwrap())];
    let transaction = Transaction { compares, success, ..Transaction::default() };
    let error = encode(&Command::Transaction(transaction)).unwrap_err().to_string();
    assert!(error.contains("TRANSACTION_OPERATIONS_MAX"), "{error}");
    let command = Command::Compact { horizon: Revision::ZERO };
    let proposals = vec![Proposal { session: None, command }; BATCH_PROPOSALS_MAX + 1];
    let error = encode(&ProposalBatch { time_ms: 0, proposals }).unwrap_err().to_string();
    assert!(error.contains("BATCH_PROPOSALS_MAX"), "{error}");
}

#[test]
fn text_must_be_utf8() {
    assert!(decode::<String>(&[2, 0xc3, 0x28]).is_err());
    assert!(decode::<JoinReply>(&[2, 2, 0xc3, 0x28]).is_err());
}

//! The decoders of rows, given anything: an error, or what was put in.

use proptest::prelude::*;

use super::*;
use crate::log::row::{
    ENTRY_PREFIX_BYTES, decode_entry, decode_purged, decode_record, encode_entry,
    parse_metadata_key, seal, unseal,
};

fn sealed(sequence: u64, raw: u32, index: u64, payload: &[u8]) -> Vec<u8> {
    let mut value = vec![0; ENTRY_PREFIX_BYTES + payload.len()];
    encode_entry(&mut value, sequence, group(raw), index, payload);
    value
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(2_000)
    })]

    /// A checksum of 32 bits lets one in four thousand million pass.
    #[test]
    fn random_rows_are_refused(
        key in any::<u64>(),
        value in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        prop_assert!(decode_entry(key, &value).is_err());
        prop_assert!(unseal(&key.to_be_bytes(), &value).is_err());
        let _ = decode_purged(&value);
        let _ = parse_metadata_key(key);
    }

    #[test]
    fn bent_rows_are_refused(
        sequence in any::<u64>(),
        raw in any::<u32>(),
        index in any::<u64>(),
        payload in prop::collection::vec(any::<u8>(), 0..60),
        at in any::<prop::sample::Index>(),
        bits in 1u8..,
    ) {
        let good = sealed(sequence, raw, index, &payload);
        let found = decode_record(sequence, &good, group(raw), index).unwrap();
        prop_assert_eq!(found.payload.as_ref(), &payload);
        let mut bent = good.clone();
        bent[at.index(good.len())] ^= bits;
        prop_assert!(decode_entry(sequence, &bent).is_err());
        prop_assert!(decode_entry(sequence, &good[..at.index(good.len())]).is_err());
        prop_assert!(decode_entry(sequence.wrapping_add(1), &good).is_err());
    }

    #[test]
    fn sealed_bodies_belong_to_their_key(
        key in prop::collection::vec(any::<u8>(), 0..20),
        body in prop::collection::vec(any::<u8>(), 0..60),
        at in any::<prop::sample::Index>(),
        bits in 1u8..,
    ) {
        let good = seal(&key, &body);
        prop_assert_eq!(unseal(&key, &good).unwrap(), &body);
        let mut bent = good.clone();
        bent[at.index(good.len())] ^= bits;
        prop_assert!(unseal(&key, &bent).is_err());
    }
}

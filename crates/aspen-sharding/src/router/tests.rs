#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::Key;
use proptest::prelude::*;

use super::*;

fn router(count: u16) -> Router {
    Router::new(ShardCount::new(count).unwrap())
}

/// These places are part of the format: data lies where they say.
#[test]
fn golden_places() {
    assert_eq!(seahash::hash(b"to be or not to be"), 1_988_685_042_348_123_509);
    let places = [&b"users/alice"[..], b"orders\0 1", b"orders", b"\0", b"\xff"]
        .map(|key| [2, 7, 64, 256].map(|count| router(count).shard_for_key(key).get()));
    let expected =
        [[1, 3, 61, 229], [1, 3, 21, 69], [1, 3, 21, 69], [1, 1, 63, 63], [1, 1, 29, 191]];
    assert_eq!(places, expected);
}

#[test]
fn a_range_within_a_partition_is_one_shards() {
    let router = router(64);
    let home = router.shard_for_key(b"orders");
    let key = Key::try_from("orders").unwrap();
    for range in [
        KeyRange::single(&key),
        KeyRange::half_open("orders", "orders\x01"),
        KeyRange::half_open("orders\0b", "orders\0c"),
        KeyRange::prefix("orders\0"),
        KeyRange::prefix("orders\0a"),
        KeyRange::half_open("orders\0b", "orders\0a"),
        KeyRange::half_open("orders", "a"),
    ] {
        assert_eq!(router.shards_for_range(&range).sole(), Some(home), "{range:?}");
    }
    for range in [
        KeyRange::all(),
        KeyRange::from_key("orders\0"),
        KeyRange::prefix("orders"),
        KeyRange::half_open("orders", "orders\x01\0"),
        KeyRange::half_open("a", "b"),
    ] {
        assert_eq!(router.shards_for_range(&range).len(), 64, "{range:?}");
    }
    let nowhere = KeyRange::half_open("", "");
    assert!(router.shards_for_range(&nowhere).sole().is_some());
    assert!(router.shards_for_prefix(b"\0").sole().is_some());
}

const KEYS: u32 = 20_000;

fn hashes() -> Vec<u64> {
    let keys = (0..KEYS).map(|number| format!("user/{number:06}"));
    keys.map(|key| seahash::hash(partition(key.as_bytes()))).collect()
}

fn places(hashes: &[u64], count: u16) -> Vec<u16> {
    let count = ShardCount::new(count).unwrap();
    hashes.iter().map(|hash| jump_hash(*hash, count).get()).collect()
}

/// χ² with n − 1 degrees of freedom has the mean n − 1 and the variance 2 (n − 1); five standard
/// deviations and a little for few degrees leave no doubt.
#[test]
fn keys_spread_evenly_over_any_number_of_shards() {
    let hashes = hashes();
    for count in 1..=256_u16 {
        let mut owned = vec![0_u32; usize::from(count)];
        places(&hashes, count).into_iter().for_each(|shard| owned[usize::from(shard)] += 1);
        let expected = f64::from(KEYS) / f64::from(count);
        let chi2: f64 =
            owned.iter().map(|owned| (f64::from(*owned) - expected).powi(2) / expected).sum();
        let freedom = f64::from(count) - 1.0;
        assert!(chi2 <= freedom + 5.0 * (2.0 * freedom).sqrt() + 4.0, "{count} shards: χ² {chi2}");
    }
}

/// The number of keys that move is binomial with p = 1/(n + 1).
#[test]
fn one_more_shard_takes_its_share_and_no_key_moves_elsewhere() {
    let hashes = hashes();
    let mut before = places(&hashes, 1);
    for count in 1..256_u16 {
        let after = places(&hashes, count + 1);
        let moved: Vec<u16> =
            before.iter().zip(&after).filter(|(a, b)| a != b).map(|(_, after)| *after).collect();
        assert!(moved.iter().all(|shard| *shard == count), "{count} shards");
        let share = 1.0 / (f64::from(count) + 1.0);
        let expected = f64::from(KEYS) * share;
        let deviation = (expected * (1.0 - share)).sqrt();
        let off = (moved.len() as f64 - expected).abs();
        assert!(off <= 5.0 * deviation, "{count} shards: {} moved, not {expected}", moved.len());
        before = after;
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(b'a'), Just(255)], 0..6)
}

proptest! {
    #[test]
    fn no_key_of_a_range_lies_outside_its_shards(
        start in bytes(),
        end in proptest::option::of(bytes()),
        key in bytes(),
        count in 1..=256_u16,
    ) {
        let range = KeyRange { start: start.into(), end: end.map(Into::into) };
        let router = router(count);
        let shards = router.shards_for_range(&range);
        prop_assert!(!shards.is_empty());
        prop_assert!(!range.contains(&key) || shards.contains(router.shard_for_key(&key)));
    }

    #[test]
    fn no_key_with_a_prefix_lies_outside_its_shards(prefix in bytes(), rest in bytes()) {
        let key = [&prefix[..], &rest].concat();
        let shards = router(64).shards_for_prefix(&prefix);
        prop_assert!(shards.contains(router(64).shard_for_key(&key)));
        prop_assert_eq!(shards.sole().is_some(), prefix.contains(&0));
    }
}

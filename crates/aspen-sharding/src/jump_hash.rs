//! Jump consistent hash.

use aspen_core::ShardId;

use crate::ShardCount;

/// The multiplier of the paper's 64-bit linear congruential generator.
const MULTIPLIER: u64 = 2_862_933_555_777_941_757;

/// The shard of a hashed key (Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash
/// Algorithm", 2014).
///
/// Keys spread evenly over the shards. From n shards to n + 1 a key stays where it is, or moves to
/// the new shard, which 1/(n + 1) of them do.
///
/// The division and the product are of IEEE 754 doubles, which round alike everywhere; so every
/// machine gives the same answer.
pub fn jump_hash(mut key: u64, count: ShardCount) -> ShardId {
    let (mut bucket, mut next) = (0, 0);
    while next < u64::from(count.get()) {
        bucket = next;
        key = key.wrapping_mul(MULTIPLIER).wrapping_add(1);
        let step = (1_u64 << 31) as f64 / ((key >> 33) + 1) as f64;
        next = ((bucket + 1) as f64 * step) as u64;
    }
    // Below the count, which fits.
    ShardId::new(bucket as u16)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn hash(key: u64, count: u16) -> u16 {
        jump_hash(key, ShardCount::new(count).unwrap()).get()
    }

    /// The first four are those of other implementations of the paper; all are part of the format.
    #[test]
    fn golden_vectors() {
        for (key, count, shard) in [
            (1, 1, 0),
            (42, 57, 43),
            (0xdead_10cc, 1, 0),
            (256, 1, 0),
            (0, 256, 0),
            (1, 256, 192),
            (u64::MAX, 256, 248),
            (0xdead_10cc, 256, 94),
        ] {
            assert_eq!(hash(key, count), shard, "key {key}, {count} shards");
        }
    }

    #[test]
    fn a_key_stays_or_moves_to_the_new_shard() {
        for key in (0..1_000).map(|n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            for count in 1..256 {
                let (before, after) = (hash(key, count), hash(key, count + 1));
                assert!(after == before || after == count, "{key}: {before} → {after}");
            }
        }
    }
}

//! The part of a key that decides where it lives.

use bytes::Bytes;

/// The byte that ends a partition.
const SEPARATOR: u8 = 0;

/// The partition of a key: its bytes before the first zero byte, or all of them.
///
/// ```
/// use aspen_sharding::partition;
///
/// assert_eq!(partition(b"users/alice"), b"users/alice");
/// assert_eq!(partition(b"orders\0 2026"), b"orders");
/// ```
pub fn partition(key: &[u8]) -> &[u8] {
    let end = key.iter().position(|byte| *byte == SEPARATOR).unwrap_or(key.len());
    &key[..end]
}

/// The end, exclusive, of the keys of a partition: they are `[partition, partition + 01)`, itself
/// and whatever begins with it and a zero byte, with no key of another in between.
pub(crate) fn partition_end(partition: &[u8]) -> Bytes {
    let mut end = Vec::with_capacity(partition.len() + 1);
    end.extend_from_slice(partition);
    end.push(SEPARATOR + 1);
    end.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_ends_before_the_first_zero() {
        assert_eq!(partition(b""), b"");
        assert_eq!(partition(b"\0a"), b"");
        assert_eq!(partition(b"a\0b\0c"), b"a");
        assert_eq!(partition(b"a"), b"a");
    }

    #[test]
    fn the_keys_of_a_partition_lie_side_by_side() {
        let end = partition_end(b"p");
        for key in [&b"p"[..], b"p\0", b"p\0\xff\xff", b"p\0\x01"] {
            assert!(key >= &b"p"[..] && key < &end[..] && partition(key) == b"p", "{key:?}");
        }
        for key in [&b"o\xff"[..], b"p\x01", b"p\x01\0", b"pa"] {
            assert!(key < &b"p"[..] || key >= &end[..], "{key:?}");
        }
    }
}

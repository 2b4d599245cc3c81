//! The bytes of the rows in the log's file; `docs/format.md` lists them, golden tests pin them.
//!
//! | table | key | value |
//! |---|---|---|
//! | `entries` | `u64` sequence | group `u32`, index `u64`, CRC-32 `u32`, payload |
//! | `metadata` | `u64`: group `<< 8`, or'ed with the kind | CRC-32 `u32`, body |
//! | `header` | name | CRC-32 `u32`, body |
//!
//! Numbers in values are big-endian. redb checks its pages' checksums only when it repairs a file
//! after a crash, so that every value carries a CRC-32 of its own, over its key as well: a row that
//! turns up under another key fails the check.

use aspen_core::{GroupId, LogIndex};
use bytes::Bytes;

use super::{LogError, LogRecord};

/// Bytes before an entry's payload.
pub(super) const ENTRY_PREFIX_BYTES: usize = 16;
const CRC_BYTES: usize = 4;

/// What a metadata row holds. The numbers are on disk: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The group's vote.
    Vote = 1,
    /// The group's committed position.
    Committed = 2,
    /// The position purged up to, then the marker.
    Purged = 3,
}

/// The key of a metadata row.
pub(super) fn metadata_key(group: GroupId, kind: Kind) -> u64 {
    u64::from(group.get()) << 8 | kind as u64
}

/// The group and kind of a metadata key.
pub(super) fn parse_metadata_key(key: u64) -> Result<(GroupId, Kind), LogError> {
    let unknown = || LogError::Corrupt(format!("unknown metadata row {key:#x}"));
    let group = u32::try_from(key >> 8).map_err(|_| unknown())?;
    let kind = match key & 0xff {
        1 => Kind::Vote,
        2 => Kind::Committed,
        3 => Kind::Purged,
        _ => return Err(unknown()),
    };
    Ok((GroupId::from_raw(group), kind))
}

/// Writes an entry's value into `out`, which is [`ENTRY_PREFIX_BYTES`] longer than the payload.
pub(super) fn encode_entry(
    out: &mut [u8],
    sequence: u64,
    group: GroupId,
    index: u64,
    payload: &[u8],
) {
    out[..4].copy_from_slice(&group.get().to_be_bytes());
    out[4..12].copy_from_slice(&index.to_be_bytes());
    let crc = checksum(&sequence.to_be_bytes(), &[&out[..12], payload]);
    out[12..ENTRY_PREFIX_BYTES].copy_from_slice(&crc.to_be_bytes());
    out[ENTRY_PREFIX_BYTES..].copy_from_slice(payload);
}

/// The group, position and payload of an entry's value.
pub(super) fn decode_entry(sequence: u64, value: &[u8]) -> Result<(GroupId, u64, &[u8]), LogError> {
    let corrupt = |what| LogError::Corrupt(format!("entry row {sequence}: {what}"));
    let (prefix, payload) =
        value.split_first_chunk::<ENTRY_PREFIX_BYTES>().ok_or_else(|| corrupt("too short"))?;
    let [g0, g1, g2, g3, i0, i1, i2, i3, i4, i5, i6, i7, crc @ ..] = *prefix;
    if checksum(&sequence.to_be_bytes(), &[&prefix[..12], payload]) != u32::from_be_bytes(crc) {
        return Err(corrupt("checksum does not match"));
    }
    let group = GroupId::from_raw(u32::from_be_bytes([g0, g1, g2, g3]));
    Ok((group, u64::from_be_bytes([i0, i1, i2, i3, i4, i5, i6, i7]), payload))
}

/// The record of an entry's value, which must belong to `group` and stand at `index`.
pub(super) fn decode_record(
    sequence: u64,
    value: &[u8],
    group: GroupId,
    index: u64,
) -> Result<LogRecord, LogError> {
    let (row_group, row_index, payload) = decode_entry(sequence, value)?;
    if (row_group, row_index) != (group, index) {
        return Err(LogError::Corrupt(format!(
            "entry row {sequence} holds {row_group}/{row_index}, not {group}/{index}"
        )));
    }
    Ok(LogRecord { index: LogIndex::new(index), payload: Bytes::copy_from_slice(payload) })
}

/// A metadata or header value: the body behind its checksum.
pub(super) fn seal(key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(CRC_BYTES + body.len());
    value.extend_from_slice(&checksum(key, &[body]).to_be_bytes());
    value.extend_from_slice(body);
    value
}

/// The body of a metadata or header value.
pub(super) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], LogError> {
    match value.split_first_chunk::<CRC_BYTES>() {
        Some((crc, body)) if checksum(key, &[body]) == u32::from_be_bytes(*crc) => Ok(body),
        _ => Err(LogError::Corrupt(format!(
            "row {:?}: checksum does not match",
            String::from_utf8_lossy(key)
        ))),
    }
}

/// The body of a purge row.
pub(super) fn encode_purged(upto: LogIndex, marker: &[u8]) -> Vec<u8> {
    [&upto.get().to_be_bytes(), marker].concat()
}

/// The position and marker of a purge row.
pub(super) fn decode_purged(body: &[u8]) -> Result<(LogIndex, Bytes), LogError> {
    let (upto, marker) = body
        .split_first_chunk()
        .ok_or_else(|| LogError::Corrupt("purge row is too short".to_owned()))?;
    Ok((LogIndex::new(u64::from_be_bytes(*upto)), Bytes::copy_from_slice(marker)))
}

fn checksum(key: &[u8], parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn entry(sequence: u64, group: u32, index: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0; ENTRY_PREFIX_BYTES + payload.len()];
        encode_entry(&mut out, sequence, GroupId::from_raw(group), index, payload);
        out
    }

    #[test]
    fn entry_bytes_are_pinned() {
        assert_eq!(
            entry(7, 0x0102_0304, 0x1112, b"abc"),
            [1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0x11, 0x12, 4, 245, 45, 51, b'a', b'b', b'c']
        );
    }

    #[test]
    fn metadata_bytes_are_pinned() {
        assert_eq!(metadata_key(GroupId::from_raw(0x0a0b), Kind::Purged), 0x000a_0b03);
        assert_eq!(
            encode_purged(LogIndex::new(258), b"m"),
            [0, 0, 0, 0, 0, 0, 1, 2, b'm'],
            "position, then marker"
        );
        assert_eq!(seal(b"key", b"body"), [66, 202, 15, 152, b'b', b'o', b'd', b'y']);
    }

    #[test]
    fn every_flipped_bit_of_an_entry_is_found() {
        let value = entry(9, 1, 42, b"payload");
        assert_eq!(
            decode_entry(9, &value).unwrap(),
            (GroupId::from_raw(1), 42, b"payload".as_slice())
        );
        for bit in 0..value.len() * 8 {
            let mut broken = value.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode_entry(9, &broken), Err(LogError::Corrupt(_))), "bit {bit}");
        }
        assert!(matches!(decode_entry(8, &value), Err(LogError::Corrupt(_))), "other sequence");
        assert!(matches!(decode_entry(9, &value[..15]), Err(LogError::Corrupt(_))));
    }

    #[test]
    fn sealed_bodies_round_trip_and_notice_damage() {
        let value = seal(b"key", b"body");
        assert_eq!(unseal(b"key", &value).unwrap(), b"body");
        assert!(unseal(b"kez", &value).is_err());
        assert!(unseal(b"key", &value[..3]).is_err());
        assert_eq!(
            decode_purged(&encode_purged(LogIndex::new(5), b"mark")).unwrap(),
            (LogIndex::new(5), Bytes::from_static(b"mark"))
        );
        assert!(decode_purged(&[0; 7]).is_err());
    }

    #[test]
    fn metadata_keys_round_trip() {
        for kind in [Kind::Vote, Kind::Committed, Kind::Purged] {
            let group = GroupId::from_raw(u32::MAX);
            assert_eq!(parse_metadata_key(metadata_key(group, kind)).unwrap(), (group, kind));
        }
        assert!(parse_metadata_key(4).is_err());
        assert!(parse_metadata_key(u64::MAX).is_err());
    }
}

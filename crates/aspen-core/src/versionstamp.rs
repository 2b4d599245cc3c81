//! Versionstamps: where a transaction came in the order of all, as bytes that sort so.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{InvalidRequest, Key, Revision, Value};

/// How long a versionstamp is, in bytes.
pub const VERSIONSTAMP_BYTES: usize = 10;

/// The revision of a transaction as 10 bytes that sort as revisions do: 8 bytes big-endian, then 2
/// that are zero (the place within a batch, of which each revision has one).
///
/// ```
/// use aspen_core::{Revision, Versionstamp};
///
/// let stamp = Versionstamp::of(Revision::new(258));
/// assert_eq!(stamp.as_bytes(), &[0, 0, 0, 0, 0, 0, 1, 2, 0, 0]);
/// assert!(stamp < Versionstamp::of(Revision::new(259)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Versionstamp([u8; VERSIONSTAMP_BYTES]);

impl Versionstamp {
    /// What stands where a stamp will be: zeros, so that the bytes before the first zero, which
    /// place a key, are the same before and after (a revision begins with a zero byte as well).
    pub const PLACEHOLDER: [u8; VERSIONSTAMP_BYTES] = [0; VERSIONSTAMP_BYTES];

    /// The stamp of a revision.
    pub fn of(revision: Revision) -> Self {
        let mut bytes = Self::PLACEHOLDER;
        bytes[..8].copy_from_slice(&revision.get().to_be_bytes());
        Self(bytes)
    }

    /// The stamp that these bytes are.
    pub const fn from_bytes(bytes: [u8; VERSIONSTAMP_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; VERSIONSTAMP_BYTES] {
        &self.0
    }

    /// The revision that it stamps.
    pub fn revision(&self) -> Revision {
        let [a, b, c, d, e, f, g, h, _, _] = self.0;
        Revision::new(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl fmt::Display for Versionstamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Versionstamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Versionstamp({self})")
    }
}

/// Where in a put the versionstamp goes: over 10 zero bytes at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StampPosition {
    /// In the key, from this byte on.
    Key(u32),
    /// In the value, from this byte on.
    Value(u32),
}

impl StampPosition {
    /// Checks that the placeholder is there.
    ///
    /// # Errors
    /// Names the offset when it is not.
    pub fn validate(self, key: &Key, value: &Value) -> Result<(), InvalidRequest> {
        let (what, bytes, offset) = match self {
            Self::Key(offset) => ("key", key.as_bytes(), offset),
            Self::Value(offset) => ("value", value.as_bytes(), offset),
        };
        match placeholder(bytes, offset) {
            Some(found) if found == Versionstamp::PLACEHOLDER => Ok(()),
            _ => Err(InvalidRequest::new(format!(
                "no placeholder of {VERSIONSTAMP_BYTES} zero bytes at offset {offset} of the {what}"
            ))),
        }
    }

    /// The put with the stamp in place. Without a placeholder nothing changes.
    pub fn fill(self, key: Key, value: Value, stamp: Versionstamp) -> (Key, Value) {
        match self {
            Self::Key(offset) => {
                let filled = Key::new(stamped(key.as_bytes(), offset, stamp)).unwrap_or(key);
                (filled, value)
            }
            Self::Value(offset) => {
                let filled = Value::new(stamped(value.as_bytes(), offset, stamp)).unwrap_or(value);
                (key, filled)
            }
        }
    }
}

fn placeholder(bytes: &[u8], offset: u32) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    bytes.get(start..start.checked_add(VERSIONSTAMP_BYTES)?)
}

fn stamped(bytes: &[u8], offset: u32, stamp: Versionstamp) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if placeholder(&bytes, offset).is_some() {
        let start = offset as usize;
        bytes[start..start + VERSIONSTAMP_BYTES].copy_from_slice(stamp.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &[u8], value: &[u8]) -> (Key, Value) {
        (Key::new(key.to_vec()).unwrap(), Value::new(value.to_vec()).unwrap())
    }

    #[test]
    fn stamps_sort_as_their_revisions() {
        let stamps = [0, 1, 255, 256, u64::MAX].map(|raw| Versionstamp::of(Revision::new(raw)));
        assert!(stamps.is_sorted());
        assert!(stamps.iter().all(|stamp| Versionstamp::of(stamp.revision()) == *stamp));
        assert_eq!(stamps[3].to_string(), "00000000000001000000");
    }

    #[test]
    fn the_stamp_takes_the_place_of_its_placeholder() {
        let (key, value) = put(b"q/\0\0\0\0\0\0\0\0\0\0/x", b"\0\0\0\0\0\0\0\0\0\0");
        let stamp = Versionstamp::of(Revision::new(7));
        assert_eq!(StampPosition::Key(2).validate(&key, &value), Ok(()));
        let (stamped, same) = StampPosition::Key(2).fill(key.clone(), value.clone(), stamp);
        assert_eq!(stamped.as_bytes(), b"q/\0\0\0\0\0\0\0\x07\0\0/x");
        assert_eq!(same, value);
        assert_eq!(StampPosition::Value(0).validate(&key, &value), Ok(()));
        let (same, stamped) = StampPosition::Value(0).fill(key.clone(), value, stamp);
        assert_eq!((same, stamped.as_bytes()), (key, &stamp.as_bytes()[..]));
    }

    #[test]
    fn a_position_without_a_placeholder_is_refused() {
        let (key, value) = put(b"q/\0\0\0\0\0\0\0\0\0\0", b"\0\0\0\0\0\0\0\0\0");
        for position in [
            StampPosition::Key(1),
            StampPosition::Key(3),
            StampPosition::Key(u32::MAX),
            StampPosition::Value(0),
        ] {
            assert!(position.validate(&key, &value).is_err(), "{position:?}");
        }
        let stamp = Versionstamp::of(Revision::new(7));
        let unchanged = StampPosition::Value(0).fill(key.clone(), value.clone(), stamp);
        assert_eq!(unchanged, (key, value));
    }
}

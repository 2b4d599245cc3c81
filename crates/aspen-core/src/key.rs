//! Keys and values: bytes within limits, checked wherever they enter.

use std::borrow::Borrow;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The longest key, in bytes: long enough for paths and tuples, short enough that a page of keys
/// fits a message.
pub const KEY_BYTES_MAX: usize = 8 * 1024;

/// The largest value, in bytes. Larger objects are split over keys by a layer.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// A key: 1 to [`KEY_BYTES_MAX`] bytes, ordered as bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Bytes", into = "Bytes")]
pub struct Key(Bytes);

/// A key that is empty or too long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The key has no bytes.
    #[error("key is empty; a key has at least 1 byte")]
    Empty,
    /// The key is longer than [`KEY_BYTES_MAX`].
    #[error("key of {len} bytes exceeds the limit of {KEY_BYTES_MAX} bytes (KEY_BYTES_MAX)")]
    TooLarge {
        /// The length that was given, in bytes.
        len: usize,
    },
}

impl Key {
    /// Checks the length and wraps the bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, InvalidKey> {
        let bytes = bytes.into();
        match bytes.len() {
            0 => Err(InvalidKey::Empty),
            len if len > KEY_BYTES_MAX => Err(InvalidKey::TooLarge { len }),
            _ => Ok(Self(bytes)),
        }
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key's bytes, without copying.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The first bytes string that sorts after this key: itself and a zero byte.
    pub fn successor(&self) -> Bytes {
        let mut next = Vec::with_capacity(self.0.len() + 1);
        next.extend_from_slice(&self.0);
        next.push(0);
        next.into()
    }
}

impl TryFrom<Bytes> for Key {
    type Error = InvalidKey;
    fn try_from(bytes: Bytes) -> Result<Self, InvalidKey> {
        Self::new(bytes)
    }
}

impl TryFrom<&str> for Key {
    type Error = InvalidKey;
    fn try_from(text: &str) -> Result<Self, InvalidKey> {
        Self::new(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<Key> for Bytes {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(\"{}\")", self.0.escape_ascii())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// A value: up to [`VALUE_BYTES_MAX`] bytes, possibly none.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Bytes", into = "Bytes")]
pub struct Value(Bytes);

/// A value longer than [`VALUE_BYTES_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("value of {len} bytes exceeds the limit of {VALUE_BYTES_MAX} bytes (VALUE_BYTES_MAX)")]
pub struct ValueTooLarge {
    /// The length that was given, in bytes.
    pub len: usize,
}

impl Value {
    /// Checks the length and wraps the bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, ValueTooLarge> {
        let bytes = bytes.into();
        match bytes.len() {
            len if len > VALUE_BYTES_MAX => Err(ValueTooLarge { len }),
            _ => Ok(Self(bytes)),
        }
    }

    /// The value's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value's bytes, without copying.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the value has no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Bytes> for Value {
    type Error = ValueTooLarge;
    fn try_from(bytes: Bytes) -> Result<Self, ValueTooLarge> {
        Self::new(bytes)
    }
}

impl TryFrom<&str> for Value {
    type Error = ValueTooLarge;
    fn try_from(text: &str) -> Result<Self, ValueTooLarge> {
        Self::new(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<Value> for Bytes {
    fn from(value: Value) -> Self {
        value.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            0..=64 => write!(f, "Value(\"{}\")", self.0.escape_ascii()),
            len => write!(f, "Value({len} bytes)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_at_their_edges() {
        assert_eq!(Key::new(Vec::new()), Err(InvalidKey::Empty));
        assert!(Key::new(vec![0; KEY_BYTES_MAX]).is_ok());
        assert_eq!(
            Key::new(vec![0; KEY_BYTES_MAX + 1]),
            Err(InvalidKey::TooLarge { len: KEY_BYTES_MAX + 1 })
        );
        assert!(Value::new(vec![0; VALUE_BYTES_MAX]).is_ok());
        assert!(Value::new(vec![0; VALUE_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn nothing_sorts_between_a_key_and_its_successor() {
        let key = Key::try_from("a").unwrap();
        assert_eq!(&key.successor()[..], b"a\0");
    }
}

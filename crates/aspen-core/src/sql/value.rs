//! One value of an answer.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What SQLite answers in a column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum SqlValue {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A floating-point number; never "not a number", which SQLite makes `Null`.
    Real(f64),
    /// Text. Keys and values that are not UTF-8 are answered as blobs instead.
    Text(String),
    /// Bytes.
    Blob(Bytes),
}

impl SqlValue {
    /// Bytes beside the variant's own: what text and blobs hold.
    pub fn len_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
        }
    }
}

/// Numbers are equal when their bits are, so that equality is one.
impl PartialEq for SqlValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Real(a), Self::Real(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Blob(a), Self::Blob(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for SqlValue {}

impl From<i64> for SqlValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for SqlValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

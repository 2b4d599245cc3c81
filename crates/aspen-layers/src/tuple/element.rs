//! One element of a tuple, whatever its type.

use std::cmp::Ordering;
use std::fmt;

use bytes::Bytes;

use super::{Integer, Tuple, TupleVersionstamp, Uuid};

/// An element. It compares as its packed bytes do.
#[derive(Clone, Debug)]
pub enum Element {
    /// Nothing.
    Null,
    /// Bytes.
    Bytes(Bytes),
    /// Text.
    String(String),
    /// A tuple within the tuple.
    Tuple(Tuple),
    /// An integer.
    Integer(Integer),
    /// A float of 32 bits; every NaN is kept as it is.
    Float(f32),
    /// A float of 64 bits; every NaN is kept as it is.
    Double(f64),
    /// A truth value; false sorts first.
    Bool(bool),
    /// A UUID.
    Uuid(Uuid),
    /// A versionstamp.
    Versionstamp(TupleVersionstamp),
}

impl Element {
    /// What it is, for messages.
    pub(super) const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bytes(_) => "bytes",
            Self::String(_) => "text",
            Self::Tuple(_) => "a nested tuple",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a 32-bit float",
            Self::Double(_) => "a 64-bit float",
            Self::Bool(_) => "a bool",
            Self::Uuid(_) => "a UUID",
            Self::Versionstamp(_) => "a versionstamp",
        }
    }

    /// The place of its type in the order of types.
    const fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bytes(_) => 1,
            Self::String(_) => 2,
            Self::Tuple(_) => 3,
            Self::Integer(_) => 4,
            Self::Float(_) => 5,
            Self::Double(_) => 6,
            Self::Bool(_) => 7,
            Self::Uuid(_) => 8,
            Self::Versionstamp(_) => 9,
        }
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bytes(this), Self::Bytes(other)) => this.cmp(other),
            (Self::String(this), Self::String(other)) => this.cmp(other),
            (Self::Tuple(this), Self::Tuple(other)) => this.cmp(other),
            (Self::Integer(this), Self::Integer(other)) => this.cmp(other),
            (Self::Float(this), Self::Float(other)) => this.total_cmp(other),
            (Self::Double(this), Self::Double(other)) => this.total_cmp(other),
            (Self::Bool(this), Self::Bool(other)) => this.cmp(other),
            (Self::Uuid(this), Self::Uuid(other)) => this.cmp(other),
            (Self::Versionstamp(this), Self::Versionstamp(other)) => this.cmp(other),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Element {}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bytes(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
            Self::String(text) => write!(f, "{text:?}"),
            Self::Tuple(tuple) => write!(f, "{tuple}"),
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Float(float) => write!(f, "{float:?}f32"),
            Self::Double(double) => write!(f, "{double:?}"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Uuid(uuid) => write!(f, "{uuid}"),
            Self::Versionstamp(stamp) => write!(f, "{stamp}"),
        }
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl From<$from> for Element {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    Bytes => Bytes, Vec<u8> => Bytes,
    String => String, &str => String,
    Tuple => Tuple,
    Integer => Integer, i8 => Integer, i16 => Integer, i32 => Integer, i64 => Integer,
    i128 => Integer, u8 => Integer, u16 => Integer, u32 => Integer, u64 => Integer,
    u128 => Integer,
    f32 => Float, f64 => Double, bool => Bool, Uuid => Uuid, TupleVersionstamp => Versionstamp,
}

impl From<&[u8]> for Element {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Bytes::copy_from_slice(bytes))
    }
}

impl<T: Into<Element>> From<Option<T>> for Element {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

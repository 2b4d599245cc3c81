//! Why something is not packed or unpacked.

use std::fmt;

use aspen_core::{ErrorKind, InvalidKey, InvalidRequest};
use aspen_txn::TransactionError;

use super::TUPLE_DEPTH_MAX;

/// Why a tuple cannot be packed. All are mistakes of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// It nests deeper than [`TUPLE_DEPTH_MAX`].
    #[error("the tuple nests deeper than {TUPLE_DEPTH_MAX} (TUPLE_DEPTH_MAX)")]
    TooDeep,
    /// It holds an incomplete versionstamp, which only a commit can complete.
    #[error("the tuple holds an incomplete versionstamp: pack it with the versionstamp")]
    Incomplete,
    /// It was to hold exactly one incomplete versionstamp.
    #[error("the tuple holds {found} incomplete versionstamps where there must be 1")]
    VersionstampCount {
        /// How many it holds.
        found: usize,
    },
    /// The key that it makes is too long, or has no bytes.
    #[error(transparent)]
    Key(#[from] InvalidKey),
}

impl PackError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl From<PackError> for InvalidRequest {
    fn from(error: PackError) -> Self {
        Self::new(error.to_string())
    }
}

/// So that keys can be packed within the closure of a transaction.
impl From<PackError> for TransactionError {
    fn from(error: PackError) -> Self {
        Self::Invalid(error.into())
    }
}

/// Bytes that are not the tuple asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such tuple: at offset {offset}, {reason}")]
pub struct UnpackError {
    /// Where, in the bytes given.
    pub offset: usize,
    /// What is wrong there.
    pub reason: UnpackReason,
}

/// What is wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnpackReason {
    /// The bytes end within an element.
    Truncated {
        /// Within what.
        within: &'static str,
    },
    /// Text is not UTF-8.
    NotUtf8,
    /// No type has this code.
    UnknownCode {
        /// The code.
        code: u8,
    },
    /// The specification only reserves this code.
    ReservedCode {
        /// The code.
        code: u8,
        /// For what.
        purpose: &'static str,
    },
    /// An integer is written with more bytes than it needs.
    PaddedInteger,
    /// It nests deeper than [`TUPLE_DEPTH_MAX`].
    TooDeep,
    /// Another type was asked for.
    OtherType {
        /// The type asked for.
        expected: &'static str,
        /// The type that is there.
        found: &'static str,
    },
    /// An integer does not fit the type asked for.
    OutOfRange {
        /// The type asked for.
        expected: &'static str,
    },
    /// The tuple ends where another element was asked for.
    Missing {
        /// The type asked for.
        expected: &'static str,
    },
    /// There are more elements than were asked for.
    Trailing,
    /// The key does not begin with the subspace's prefix.
    OutsideSubspace,
}

impl fmt::Display for UnpackReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { within } => write!(f, "the bytes end within {within}"),
            Self::NotUtf8 => f.write_str("the text is not UTF-8"),
            Self::UnknownCode { code } => write!(f, "no type has the code {code:#04x}"),
            Self::ReservedCode { code, purpose } => {
                write!(f, "the type code {code:#04x} is reserved for {purpose}")
            }
            Self::PaddedInteger => f.write_str("the integer has more bytes than it needs"),
            Self::TooDeep => {
                write!(f, "the tuple nests deeper than {TUPLE_DEPTH_MAX} (TUPLE_DEPTH_MAX)")
            }
            Self::OtherType { expected, found } => write!(f, "{expected} expected, {found} found"),
            Self::OutOfRange { expected } => write!(f, "the integer does not fit {expected}"),
            Self::Missing { expected } => write!(f, "{expected} expected, the tuple ends"),
            Self::Trailing => f.write_str("the end of the tuple expected, more elements found"),
            Self::OutsideSubspace => f.write_str("the key leaves the subspace"),
        }
    }
}

//! Operations on single keys, each key a register that starts absent.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ClientId, Moment, OpId, Outcome};

/// What a client asks of one key. Values that are never written twice make a history cheap to
/// check and its violations easy to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RegisterOp {
    /// Reads the value; answered by [`RegisterResult::Value`].
    Read,
    /// Writes the value, whatever it was; answered by [`RegisterResult::Done`].
    Write(u64),
    /// Writes `new` if the value is `expected`; answered by [`RegisterResult::Swapped`].
    Cas {
        /// The value that must be there; `None` for an absent key.
        expected: Option<u64>,
        /// The value that replaces it.
        new: u64,
    },
    /// Removes the key, whether it is there or not; answered by [`RegisterResult::Done`].
    Delete,
}

impl fmt::Display for RegisterOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Write(value) => write!(f, "write {value}"),
            Self::Cas { expected, new } => {
                write!(f, "compare {} and write {new}", Shown(*expected))
            }
            Self::Delete => f.write_str("delete"),
        }
    }
}

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RegisterResult {
    /// The value read; `None` for an absent key.
    Value(Option<u64>),
    /// The write or delete took effect.
    Done,
    /// Whether the comparison held, and so whether the new value was written.
    Swapped(bool),
}

impl fmt::Display for RegisterResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => Shown(*value).fmt(f),
            Self::Done => f.write_str("done"),
            Self::Swapped(true) => f.write_str("swapped"),
            Self::Swapped(false) => f.write_str("not equal"),
        }
    }
}

/// A register's value as people read it.
struct Shown(Option<u64>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("absent"),
        }
    }
}

/// One operation, with all that its client knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its place in the order of invocations.
    pub id: OpId,
    /// Who asked.
    pub client: ClientId,
    /// The key.
    pub key: String,
    /// What was asked.
    pub op: RegisterOp,
    /// When it was asked.
    pub invoked: Moment,
    /// When the client was answered or gave up; `None` while it waits.
    pub returned: Option<Moment>,
    /// What it was told; [`Outcome::Unknown`] while it waits.
    pub outcome: Outcome<RegisterResult>,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} .. ", self.invoked)?;
        match self.returned {
            Some(returned) => write!(f, "{returned}]")?,
            None => f.write_str("?]")?,
        }
        write!(f, " {}: {} -> ", self.client, self.op)?;
        match &self.outcome {
            Outcome::Ok(result) => result.fmt(f),
            Outcome::Failed => f.write_str("failed"),
            Outcome::Unknown => f.write_str("unknown"),
        }
    }
}

/// Everything that clients did to single keys, in the order of invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The operations, sorted by [`Moment::order`] of their invocation.
    pub operations: Vec<Operation>,
}

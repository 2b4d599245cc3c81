//! Histories: what clients asked and what they were told, in the order in which it happened.
//!
//! A history is a list of operations, each with the moment of its invocation and, if it returned,
//! of its return (Herlihy and Wing, "Linearizability: A Correctness Condition for Concurrent
//! Objects", 1990). Checkers judge histories; they never look at the system itself.
//!
//! * [`History`] holds operations on single keys, each key a register.
//! * [`TransactionHistory`] holds transactions over many keys, each key a list.
//! * [`RevisionHistory`] holds transactions over one group, with the revisions they were told.
//!
//! A [`Moment`] carries a number that orders every event of one recorder. Checkers compare only
//! that number: two events may share a time stamp, and under simulation they often do.

mod operation;
mod recorder;
mod revision;
mod timeline;
mod transaction;

pub use operation::{History, Operation, RegisterOp, RegisterResult};
pub use recorder::Recorder;
pub use revision::{
    Freshness, RangeRead, RevisionHistory, RevisionOutcome, RevisionRecorder, RevisionTransaction,
    Seen,
};
pub use transaction::{ListOp, TransactionHistory, TransactionRecord, TransactionRecorder};

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One sequential client: it invokes its next operation after the last one returned or was given
/// up. An operation that was given up may still take effect beside the next ones.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ClientId(pub u64);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.0)
    }
}

/// Names an operation of one recorder: the number of operations invoked before it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct OpId(pub u64);

/// When an event happened.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Moment {
    /// The number of events of the same recorder before this one. The only thing that is compared.
    pub order: u64,
    /// Microseconds since the recorder was made; for people.
    pub at_us: u64,
}

impl Moment {
    pub(crate) fn new(order: u64, at: Duration) -> Self {
        Self { order, at_us: u64::try_from(at.as_micros()).unwrap_or(u64::MAX) }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} ms", self.at_us / 1_000, self.at_us % 1_000)
    }
}

/// What a client knows of an operation that it invoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome<R> {
    /// It took effect between invocation and return, with this result.
    Ok(R),
    /// It surely never takes effect.
    Failed,
    /// It may have taken effect, may yet, or may never: for all that is known it has not returned.
    #[default]
    Unknown,
}

impl<R> Outcome<R> {
    /// The result, when there is one.
    pub fn ok(&self) -> Option<&R> {
        match self {
            Self::Ok(result) => Some(result),
            Self::Failed | Self::Unknown => None,
        }
    }

    /// Whether it surely never takes effect.
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed)
    }

    /// Whether nothing is known of its effect.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// Whether an event that ended at `returned` lies wholly before one that began at `invoked`.
pub(crate) fn precedes(returned: Option<Moment>, invoked: Moment) -> bool {
    returned.is_some_and(|returned| returned.order < invoked.order)
}

//! Transactions over many keys, each key a list to which transactions append.
//!
//! A list shows in every read which writes came before it and in which order, which is what makes
//! the dependencies between transactions visible (Kingsbury and Alvaro, "Elle: Inferring Isolation
//! Anomalies from Experimental Observations", VLDB 2020).

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::timeline::Timeline;
use super::{ClientId, Moment, OpId, Outcome};

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ListOp {
    /// Appends an element that nobody ever appends to this key again.
    Append {
        /// The key.
        key: String,
        /// The element.
        element: u64,
    },
    /// Reads the whole list.
    Read {
        /// The key.
        key: String,
        /// What was seen; empty for an absent key, `None` when nothing was seen (yet).
        elements: Option<Vec<u64>>,
    },
}

impl ListOp {
    /// Appends an element.
    pub fn append(key: impl Into<String>, element: u64) -> Self {
        Self::Append { key: key.into(), element }
    }

    /// Asks for a list.
    pub fn read(key: impl Into<String>) -> Self {
        Self::Read { key: key.into(), elements: None }
    }

    /// Saw a list.
    pub fn saw(key: impl Into<String>, elements: impl Into<Vec<u64>>) -> Self {
        Self::Read { key: key.into(), elements: Some(elements.into()) }
    }
}

impl fmt::Display for ListOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append { key, element } => write!(f, "append {element} to {key}"),
            Self::Read { key, elements: Some(elements) } => write!(f, "read {key} = {elements:?}"),
            Self::Read { key, elements: None } => write!(f, "read {key}"),
        }
    }
}

/// One transaction, with all that its client knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRecord {
    /// Its place in the order of invocations.
    pub id: OpId,
    /// Who ran it.
    pub client: ClientId,
    /// Its steps in order. After a retry: those of the last attempt.
    pub operations: Vec<ListOp>,
    /// When it began.
    pub invoked: Moment,
    /// When the client was answered or gave up; `None` while it waits.
    pub returned: Option<Moment>,
    /// Whether it committed.
    pub outcome: Outcome<()>,
}

impl fmt::Display for TransactionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{} ({}", self.id.0, self.client)?;
        match self.outcome {
            Outcome::Ok(()) => f.write_str("): ")?,
            Outcome::Failed => f.write_str(", failed): ")?,
            Outcome::Unknown => f.write_str(", unknown): ")?,
        }
        let steps: Vec<_> = self.operations.iter().map(ToString::to_string).collect();
        f.write_str(&steps.join("; "))
    }
}

/// Every transaction that clients ran, in the order of invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionHistory {
    /// The transactions, sorted by [`Moment::order`] of their invocation.
    pub transactions: Vec<TransactionRecord>,
}

/// Records transactions. Clones share one history.
#[derive(Clone, Debug)]
pub struct TransactionRecorder(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    timeline: Timeline,
    transactions: Vec<TransactionRecord>,
}

impl Default for TransactionRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl TransactionRecorder {
    /// An empty history whose time starts now.
    pub fn new() -> Self {
        let shared = Shared { timeline: Timeline::new(), transactions: Vec::new() };
        Self(Arc::new(Mutex::new(shared)))
    }

    /// Notes that a client is about to run a transaction of these steps.
    pub fn invoke(&self, client: ClientId, operations: Vec<ListOp>) -> OpId {
        let mut shared = self.0.lock();
        let id = OpId(shared.transactions.len() as u64);
        let invoked = shared.timeline.next();
        let (returned, outcome) = (None, Outcome::Unknown);
        let record = TransactionRecord { id, client, operations, invoked, returned, outcome };
        shared.transactions.push(record);
        id
    }

    /// Notes how a transaction ended: `Ok` carries its steps with what its reads saw. A second
    /// completion is ignored.
    pub fn complete(&self, id: OpId, outcome: Outcome<Vec<ListOp>>) {
        let mut shared = self.0.lock();
        let returned = shared.timeline.next();
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        let transaction = shared.transactions.get_mut(index);
        let Some(transaction) = transaction.filter(|known| known.returned.is_none()) else {
            return;
        };
        transaction.returned = Some(returned);
        transaction.outcome = match outcome {
            Outcome::Ok(operations) => {
                transaction.operations = operations;
                Outcome::Ok(())
            }
            Outcome::Failed => Outcome::Failed,
            Outcome::Unknown => Outcome::Unknown,
        };
    }

    /// The history so far.
    pub fn history(&self) -> TransactionHistory {
        TransactionHistory { transactions: self.0.lock().transactions.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_transaction_saw_replaces_what_it_asked() {
        let recorder = TransactionRecorder::new();
        let asked = vec![ListOp::read("a"), ListOp::append("b", 1)];
        let (first, second) =
            (recorder.invoke(ClientId(1), asked.clone()), recorder.invoke(ClientId(2), asked));
        let seen = ListOp::saw("a", [4]);
        recorder.complete(second, Outcome::Ok(vec![seen.clone()]));
        recorder.complete(second, Outcome::Failed);
        let history = recorder.history();
        assert_eq!(history.transactions[1].operations, [seen]);
        assert_eq!(history.transactions[1].outcome, Outcome::Ok(()));
        let waiting = &history.transactions[0];
        assert_eq!((waiting.id, waiting.returned), (first, None));
        assert_eq!(waiting.to_string(), "T0 (client 1, unknown): read a; append 1 to b");
    }
}

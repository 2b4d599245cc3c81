//! Transactions over one group, with the revisions that their clients were told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aspen_core::Revision;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::timeline::Timeline;
use super::{ClientId, Moment, OpId, Outcome};

/// One key as a read saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The key.
    pub key: String,
    /// The revision of its last change.
    pub mod_revision: Revision,
    /// Its value. No value is ever written to a key twice, so it names its writer.
    pub value: u64,
}

/// What a read of the keys in `start..end` saw, in order: all of them, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeRead {
    /// The first key, inclusive.
    pub start: String,
    /// The end, exclusive.
    pub end: String,
    /// The keys that are there.
    pub found: Vec<Seen>,
}

impl RangeRead {
    /// A read of one key; `found` is `None` when it was absent.
    pub fn point(key: &str, found: Option<(Revision, u64)>) -> Self {
        let seen = |(mod_revision, value)| Seen { key: key.to_owned(), mod_revision, value };
        // No string lies between a key and itself with a zero behind.
        let (start, end) = (key.to_owned(), format!("{key}\0"));
        Self { start, end, found: found.map(seen).into_iter().collect() }
    }
}

/// Whether a read must see what was acknowledged before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Freshness {
    /// It is linearizable.
    Linearizable,
    /// It may see any past revision.
    Stale,
}

/// How a transaction ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionOutcome {
    /// With writes: the revision it committed at. Without: the revision it read.
    pub revision: Revision,
    /// What it read: with writes the state just before `revision`, without the state at it.
    pub reads: Vec<RangeRead>,
}

/// One transaction, with all that its client knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionTransaction {
    /// Its place in the order of invocations.
    pub id: OpId,
    /// Who ran it.
    pub client: ClientId,
    /// What it must see, when it writes nothing.
    pub freshness: Freshness,
    /// What it writes to each key; `None` deletes. Empty for a read.
    pub writes: BTreeMap<String, Option<u64>>,
    /// When it began.
    pub invoked: Moment,
    /// When the client was answered or gave up; `None` while it waits.
    pub returned: Option<Moment>,
    /// What the client was told.
    pub outcome: Outcome<RevisionOutcome>,
}

impl fmt::Display for RevisionTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, client) = (self.id.0, self.client);
        match &self.outcome {
            Outcome::Ok(outcome) => write!(f, "T{id} ({client}) at revision {}", outcome.revision)?,
            Outcome::Failed => write!(f, "T{id} ({client}, failed)")?,
            Outcome::Unknown => write!(f, "T{id} ({client}, unknown)")?,
        }
        for (key, value) in &self.writes {
            match value {
                Some(value) => write!(f, ", writes {key} = {value}")?,
                None => write!(f, ", deletes {key}")?,
            }
        }
        Ok(())
    }
}

/// Every transaction over one group, in the order of invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionHistory {
    /// The transactions, sorted by [`Moment::order`] of their invocation.
    pub transactions: Vec<RevisionTransaction>,
}

/// Records transactions over one group. Clones share one history.
#[derive(Clone, Debug)]
pub struct RevisionRecorder(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    timeline: Timeline,
    transactions: Vec<RevisionTransaction>,
}

impl Default for RevisionRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl RevisionRecorder {
    /// An empty history whose time starts now.
    pub fn new() -> Self {
        let shared = Shared { timeline: Timeline::new(), transactions: Vec::new() };
        Self(Arc::new(Mutex::new(shared)))
    }

    /// Notes that a client is about to run a transaction with these writes.
    pub fn invoke(&self, client: ClientId, writes: BTreeMap<String, Option<u64>>) -> OpId {
        self.push(client, Freshness::Linearizable, writes)
    }

    /// Notes that a client is about to read.
    pub fn invoke_read(&self, client: ClientId, freshness: Freshness) -> OpId {
        self.push(client, freshness, BTreeMap::new())
    }

    fn push(
        &self,
        client: ClientId,
        freshness: Freshness,
        writes: BTreeMap<String, Option<u64>>,
    ) -> OpId {
        let mut shared = self.0.lock();
        let id = OpId(shared.transactions.len() as u64);
        let invoked = shared.timeline.next();
        let (returned, outcome) = (None, Outcome::Unknown);
        shared.transactions.push(RevisionTransaction {
            id,
            client,
            freshness,
            writes,
            invoked,
            returned,
            outcome,
        });
        id
    }

    /// Notes how a transaction ended. A second completion is ignored.
    pub fn complete(&self, id: OpId, outcome: Outcome<RevisionOutcome>) {
        let mut shared = self.0.lock();
        let returned = shared.timeline.next();
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        let transaction = shared.transactions.get_mut(index);
        if let Some(transaction) = transaction.filter(|known| known.returned.is_none()) {
            transaction.returned = Some(returned);
            transaction.outcome = outcome;
        }
    }

    /// The history so far.
    pub fn history(&self) -> RevisionHistory {
        RevisionHistory { transactions: self.0.lock().transactions.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_survives_json_and_reads_well() {
        let recorder = RevisionRecorder::new();
        let writes = BTreeMap::from([("a".to_owned(), Some(1)), ("b".to_owned(), None)]);
        let write = recorder.invoke(ClientId(3), writes);
        let read = recorder.invoke_read(ClientId(4), Freshness::Stale);
        let reads = vec![RangeRead::point("a", Some((Revision::new(2), 1)))];
        let outcome = RevisionOutcome { revision: Revision::new(2), reads };
        recorder.complete(read, Outcome::Ok(outcome.clone()));
        recorder.complete(read, Outcome::Failed);
        recorder.complete(write, Outcome::Failed);
        let history = recorder.history();
        assert_eq!(history.transactions[1].outcome, Outcome::Ok(outcome));
        let shown = history.transactions[0].to_string();
        assert_eq!(shown, "T0 (client 3, failed), writes a = 1, deletes b");
        let text = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<RevisionHistory>(&text).unwrap(), history);
    }
}

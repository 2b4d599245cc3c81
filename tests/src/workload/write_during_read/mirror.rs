//! The model of one prefix, and how its revisions and the store's correspond.

use std::collections::BTreeMap;
use std::fmt;

use aspen_core::{
    Conflict, Key, KeyRange, KeyValue, MemoryStore, Operation, OperationResult, Reply, Revision,
    SCAN_RESULTS_MAX, Transaction, TransactionOutcome, WriteCommand,
};

use super::super::fate::Written;
use super::super::snapshot::Snapshot;
use crate::check::Violation;

/// What the prefix holds according to the model. The model counts only the owner's changes, the
/// store counts everyone's: each model revision corresponds to the store's revision of the same
/// change, in the same order.
pub(super) struct Mirror {
    prefix: String,
    model: MemoryStore,
    /// Every transaction that changed the model, to build another one.
    log: Vec<Transaction>,
    /// The store's revision by the model's.
    revisions: BTreeMap<Revision, Revision>,
}

impl Mirror {
    pub(super) fn new(prefix: String) -> Self {
        let revisions = BTreeMap::from([(Revision::ZERO, Revision::ZERO)]);
        Self { prefix, model: MemoryStore::new(), log: Vec::new(), revisions }
    }

    /// The key of a name below the prefix.
    pub(super) fn key(&self, name: &[u8]) -> Key {
        Key::new([self.prefix.as_bytes(), name].concat()).expect("names are short")
    }

    /// All keys below the prefix.
    pub(super) fn range(&self) -> KeyRange {
        KeyRange::prefix(self.prefix.clone().into_bytes())
    }

    pub(super) fn model(&self) -> &MemoryStore {
        &self.model
    }

    /// The model's state of a key.
    pub(super) fn current(&self, key: &Key) -> Option<KeyValue> {
        self.entries(&KeyRange::single(key)).pop()
    }

    /// The model's entries in a range.
    fn entries(&self, range: &KeyRange) -> Vec<KeyValue> {
        entries_of(&self.model, range)
    }

    /// The store's revision of the last change.
    pub(super) fn newest(&self) -> Revision {
        self.store_revision(self.model.revision())
    }

    /// The store's revision of a change of the model.
    pub(super) fn store_revision(&self, model: Revision) -> Revision {
        self.revisions.get(&model).copied().unwrap_or_default()
    }

    /// The model's revision when the store was at this one.
    pub(super) fn model_revision(&self, store: Revision) -> Revision {
        let mut passed = self.revisions.iter().rev().filter(|(_, known)| **known <= store);
        passed.next().map_or(Revision::ZERO, |(model, _)| *model)
    }

    /// An entry of the model as the store should show it.
    pub(super) fn shown(&self, entry: &KeyValue) -> KeyValue {
        KeyValue {
            create_revision: self.store_revision(entry.create_revision),
            mod_revision: self.store_revision(entry.mod_revision),
            ..entry.clone()
        }
    }

    /// Gives the model what the store has answered, and compares the answers.
    pub(super) fn absorb(
        &mut self,
        command: WriteCommand,
        written: Written,
    ) -> Result<(), Violation> {
        match written {
            Written::Done(outcome) => self.absorb_outcome(command, &outcome),
            Written::Conflict(conflict) => self.absorb_conflict(command, &conflict),
            Written::Failed | Written::Unknown => Ok(()),
        }
    }

    fn absorb_outcome(
        &mut self,
        command: WriteCommand,
        outcome: &TransactionOutcome,
    ) -> Result<(), Violation> {
        let (before, floor) = (self.model.revision(), self.newest());
        let transaction = transaction(command);
        let Reply::Transaction(expected) = self.model.execute(&transaction) else {
            return Err(self.differs(&transaction, "a conflict", outcome));
        };
        let changed = self.model.revision() > before;
        if changed && outcome.revision <= floor {
            return Err(self.differs(&transaction, &format!("above {floor}"), outcome));
        }
        // What changed nothing has no revision, but while it ran it counted on the next one.
        let ran_at = if changed { outcome.revision } else { outcome.revision.next() };
        self.revisions.insert(before.next(), ran_at);
        let results: Vec<_> = expected.results.iter().map(|it| self.shown_result(it)).collect();
        match changed {
            true => self.log.push(transaction.clone()),
            false => drop(self.revisions.remove(&before.next())),
        }
        let agree = expected.succeeded == outcome.succeeded && results == outcome.results;
        match agree && outcome.revision >= floor {
            true => Ok(()),
            false => {
                let expected = TransactionOutcome { results, ..expected };
                Err(self.differs(&transaction, &format!("{expected:?}"), outcome))
            }
        }
    }

    fn absorb_conflict(
        &mut self,
        command: WriteCommand,
        conflict: &Conflict,
    ) -> Result<(), Violation> {
        let transaction = transaction(command);
        let expected = match self.model.execute(&transaction) {
            Reply::Rejected(aspen_core::Rejection::Conflict(expected)) => Conflict {
                expected: self.store_revision(expected.expected),
                actual: self.store_revision(expected.actual),
                ..expected
            },
            other => return Err(self.differs(&transaction, &format!("{other:?}"), conflict)),
        };
        match expected == *conflict {
            true => Ok(()),
            false => Err(self.differs(&transaction, &format!("{expected:?}"), conflict)),
        }
    }

    fn shown_result(&self, result: &OperationResult) -> OperationResult {
        match result {
            OperationResult::Put { version, create_revision } => OperationResult::Put {
                version: *version,
                create_revision: self.store_revision(*create_revision),
            },
            OperationResult::Deleted { count } => OperationResult::Deleted { count: *count },
            OperationResult::Get(found) => {
                OperationResult::Get(found.as_ref().map(|entry| self.shown(entry)))
            }
            OperationResult::Scan { entries, more } => OperationResult::Scan {
                entries: entries.iter().map(|entry| self.shown(entry)).collect(),
                more: *more,
            },
        }
    }

    fn differs(
        &self,
        asked: &impl fmt::Debug,
        expected: &str,
        answer: &impl fmt::Debug,
    ) -> Violation {
        let detail = format!("{asked:?}: expected {expected}, answered {answer:?}; {self}");
        Violation::new("the store answers as the model does", detail)
    }

    /// Judges the revision of a read that had to see all up to `floor`.
    pub(super) fn check_fresh(&self, floor: Revision, revision: Revision) -> Result<(), Violation> {
        match revision >= floor {
            true => Ok(()),
            false => {
                let detail = format!("read at {revision} after a write at {floor}; {self}");
                Err(Violation::new("a linearizable read is not stale", detail))
            }
        }
    }

    /// Judges the whole prefix as it was at the snapshot's revision.
    pub(super) fn check_snapshot(&self, snapshot: &Snapshot) -> Result<(), Violation> {
        let past = rebuild(&self.log, self.model_revision(snapshot.revision));
        let entries = entries_of(&past, &self.range());
        let expected: Vec<_> = entries.iter().map(|entry| self.shown(entry)).collect();
        match expected == snapshot.entries {
            true => Ok(()),
            false => Err(self.differs(&"the prefix", &format!("{expected:?}"), snapshot)),
        }
    }

    /// Whether a snapshot shows the newest state of the model.
    pub(super) fn is_now(&self, snapshot: &Snapshot) -> bool {
        let entries = self.entries(&self.range());
        entries.iter().map(|entry| self.shown(entry)).eq(snapshot.entries.iter().cloned())
    }

    /// Whether a snapshot shows the state that the command would lead to. The command's revision is
    /// taken from what it changed, and must be the same for all of that.
    pub(super) fn is_after(&self, command: &WriteCommand, snapshot: &Snapshot) -> bool {
        let model = rebuild(&self.log, Revision::new(u64::MAX));
        model.execute(&transaction(command.clone()));
        let after = model.revision();
        if after == self.model.revision() {
            return self.is_now(snapshot);
        }
        let entries = entries_of(&model, &self.range());
        let changed = entries.iter().position(|entry| entry.mod_revision == after);
        let found = changed.and_then(|position| snapshot.entries.get(position));
        let revision = found.map_or(snapshot.revision, |entry| entry.mod_revision);
        let mut mirror = Self::new(self.prefix.clone());
        mirror.revisions.clone_from(&self.revisions);
        mirror.revisions.insert(after, revision);
        let shown = entries.iter().map(|entry| mirror.shown(entry));
        revision > self.newest() && shown.eq(snapshot.entries.iter().cloned())
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries(&self.range());
        let shown: Vec<_> = entries.iter().map(|entry| self.shown(entry)).collect();
        write!(f, "the model holds {shown:?}; revisions, model to store: {:?}", self.revisions)
    }
}

fn transaction(command: WriteCommand) -> Transaction {
    command.into_transaction().expect("random commands stay within all limits")
}

/// The model as it was at a revision.
fn rebuild(log: &[Transaction], until: Revision) -> MemoryStore {
    let model = MemoryStore::new();
    for transaction in log {
        if model.revision() >= until {
            break;
        }
        model.execute(transaction);
    }
    model
}

fn entries_of(model: &MemoryStore, range: &KeyRange) -> Vec<KeyValue> {
    let scan = Operation::Scan { range: range.clone(), limit: SCAN_RESULTS_MAX };
    let transaction = Transaction { success: vec![scan], ..Transaction::default() };
    match model.execute(&transaction) {
        Reply::Transaction(TransactionOutcome { mut results, .. }) => match results.pop() {
            Some(OperationResult::Scan { entries, .. }) => entries,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

//! A transaction: read conflicts, compares, then the chosen branch over an overlay.

use aspen_core::{
    ATOMIC_BYTES_MAX, AtomicEffect, AtomicOperation, Compare, Conflict, DELETE_RANGE_KEYS_MAX,
    InvalidRequest, Key, KeyRange, KeyValue, LeaseId, Operation, OperationResult, Rejection, Reply,
    Transaction, TransactionOutcome, Value, Versionstamp,
};

use super::conflicts;
use super::leases::{self, Settlement};
use super::overlay::Overlay;
use super::results::{ReadBudget, within};
use crate::state::{StateError, Tables};

/// Why a transaction ends without effect: by its own fault, or by that of the tables.
pub(super) enum Refusal {
    /// The reply.
    Rejected(Rejection),
    /// No reply at all.
    Failed(StateError),
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Conflict> for Refusal {
    fn from(conflict: Conflict) -> Self {
        Self::Rejected(conflict.into())
    }
}

impl From<InvalidRequest> for Refusal {
    fn from(error: InvalidRequest) -> Self {
        Self::Rejected(Rejection::Invalid(error.to_string()))
    }
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        Self::Failed(error)
    }
}

/// Applies a transaction.
pub(super) fn apply<T: Tables + ?Sized>(
    tables: &mut T,
    transaction: Transaction,
) -> Result<Reply, StateError> {
    match run(tables, transaction) {
        Ok(outcome) => Ok(Reply::Transaction(outcome)),
        Err(Refusal::Rejected(rejection)) => Ok(Reply::Rejected(rejection)),
        Err(Refusal::Failed(error)) => Err(error),
    }
}

fn run<T: Tables + ?Sized>(
    tables: &mut T,
    transaction: Transaction,
) -> Result<TransactionOutcome, Refusal> {
    // Checked before by whoever proposed; a hostile client may be its own proposer.
    transaction.validate()?;
    conflicts::check(tables, &transaction.read_conflicts)?;
    let succeeded = hold(tables, &transaction.compares)?;
    let operations = if succeeded { transaction.success } else { transaction.failure };
    leases::check(tables.group(), &operations)?;
    let mut branch = Branch::new(tables);
    let results = operations
        .into_iter()
        .map(|operation| branch.run(operation))
        .collect::<Result<Vec<_>, _>>()?;
    let overlay = branch.overlay;
    commit(tables, overlay)?;
    Ok(TransactionOutcome { revision: tables.group().revision, succeeded, results })
}

fn hold<T: Tables + ?Sized>(tables: &T, compares: &[Compare]) -> Result<bool, StateError> {
    for compare in compares {
        let current = tables.latest(&compare.key)?;
        let current = current.and_then(|version| version.to_key_value(&compare.key));
        if !compare.holds(current.as_ref()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The revision advances only when something changed, so that revisions count changes.
fn commit<T: Tables + ?Sized>(tables: &mut T, overlay: Overlay) -> Result<(), Refusal> {
    if overlay.changes.is_empty() {
        return Ok(());
    }
    let settlement = Settlement::of(&tables.group().leases, &overlay)?;
    tables.commit(overlay.revision, overlay.changes)?;
    tables.group_mut().revision = overlay.revision;
    settlement.carry_out(&mut tables.group_mut().leases);
    Ok(())
}

/// A branch while it runs.
struct Branch<'a, T: ?Sized> {
    tables: &'a T,
    overlay: Overlay,
    read: ReadBudget,
    range_deletes: usize,
    /// What atomic operations found.
    atomic_bytes: usize,
    /// How many steps have begun.
    steps: usize,
}

impl<'a, T: Tables + ?Sized> Branch<'a, T> {
    fn new(tables: &'a T) -> Self {
        Self {
            tables,
            overlay: Overlay::new(tables.group().revision.next()),
            read: ReadBudget::default(),
            range_deletes: 0,
            atomic_bytes: 0,
            steps: 0,
        }
    }

    fn run(&mut self, operation: Operation) -> Result<OperationResult, Refusal> {
        let place = self.steps;
        self.steps += 1;
        match operation {
            Operation::Put { key, value, lease } => Ok(self.put(key, value, lease)?),
            Operation::Delete { key } => Ok(self.delete(key)?),
            Operation::DeleteRange { range } => self.delete_range(&range),
            Operation::Get { key } => self.get(key),
            Operation::Scan { range, limit } => self.scan(&range, limit as usize),
            Operation::Atomic { key, operation } => self.atomic(key, &operation),
            Operation::PutVersionstamped { key, value, position, lease } => {
                let stamp = Versionstamp::of(self.overlay.revision);
                let (key, value) = position.fill(key, value, stamp);
                Ok(self.put(key, value, lease)?)
            }
            Operation::PutTtl { key, value, ttl_ms } => {
                let lease = LeaseId::private(self.overlay.revision, place);
                self.overlay.private.insert(lease, ttl_ms);
                Ok(self.put(key, value, Some(lease))?)
            }
        }
    }

    fn put(
        &mut self,
        key: Key,
        value: Value,
        lease: Option<LeaseId>,
    ) -> Result<OperationResult, StateError> {
        let (version, create_revision) = self.overlay.put(self.tables, key, value, lease)?;
        Ok(OperationResult::Put { version, create_revision })
    }

    fn delete(&mut self, key: Key) -> Result<OperationResult, StateError> {
        let existed = self.overlay.delete(self.tables, key)?;
        Ok(OperationResult::Deleted { count: u64::from(existed) })
    }

    fn atomic(
        &mut self,
        key: Key,
        operation: &AtomicOperation,
    ) -> Result<OperationResult, Refusal> {
        let (value, lease) = match self.overlay.get(self.tables, &key)? {
            Some(found) => (Some(found.value), found.lease),
            None => (None, None),
        };
        self.atomic_bytes += value.as_ref().map_or(0, Value::len);
        within("ATOMIC_BYTES_MAX", ATOMIC_BYTES_MAX, self.atomic_bytes)?;
        Ok(match operation.effect(value.as_ref()) {
            AtomicEffect::Put(value) => self.put(key, value, lease)?,
            AtomicEffect::Delete => self.delete(key)?,
            AtomicEffect::Unchanged => OperationResult::Deleted { count: 0 },
        })
    }

    fn get(&mut self, key: Key) -> Result<OperationResult, Refusal> {
        let found = self.overlay.get(self.tables, &key)?;
        found.iter().try_for_each(|entry| self.read.charge(entry))?;
        Ok(OperationResult::Get(found))
    }

    fn scan(&mut self, range: &KeyRange, limit: usize) -> Result<OperationResult, Refusal> {
        let mut entries: Vec<KeyValue> = Vec::new();
        let mut merged = self.overlay.scan(self.tables, range, limit.saturating_add(1));
        while let Some(entry) = merged.next()? {
            if entries.len() == limit {
                return Ok(OperationResult::Scan { entries, more: true });
            }
            self.read.charge(&entry)?;
            entries.push(entry);
        }
        Ok(OperationResult::Scan { entries, more: false })
    }

    fn delete_range(&mut self, range: &KeyRange) -> Result<OperationResult, Refusal> {
        let mut found = Vec::new();
        let mut merged = self.overlay.scan(self.tables, range, DELETE_RANGE_KEYS_MAX);
        while let Some(entry) = merged.next()? {
            self.range_deletes += 1;
            within("DELETE_RANGE_KEYS_MAX", DELETE_RANGE_KEYS_MAX, self.range_deletes)?;
            found.push((entry.key, entry.lease));
        }
        let count = found.len() as u64;
        for (key, lease) in found {
            self.overlay.delete_existing(self.tables, key, lease)?;
        }
        Ok(OperationResult::Deleted { count })
    }
}

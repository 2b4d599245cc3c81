//! What a transaction does to a state.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::history::{History, State};
use super::leases::GrantedLeases;
use crate::{
    ATOMIC_BYTES_MAX, AtomicEffect, AtomicOperation, Conflict, DELETE_RANGE_KEYS_MAX,
    InvalidRequest, Key, KeyRange, KeyValue, LeaseId, Operation, OperationResult, ReadConflict,
    Rejection, Revision, SCAN_BYTES_MAX, SCAN_RESULTS_MAX, Transaction, TransactionOutcome, Value,
    Versionstamp,
};

/// Runs a transaction on a copy of the current state and keeps the copy.
pub(super) fn execute(
    history: &mut History,
    leases: &mut GrantedLeases,
    transaction: &Transaction,
) -> Result<TransactionOutcome, Rejection> {
    transaction.validate().map_err(|error| Rejection::Invalid(error.to_string()))?;
    let before = history.state_at(history.revision());
    for conflict in &transaction.read_conflicts {
        check(history, &before, conflict)?;
    }
    let succeeded =
        transaction.compares.iter().all(|compare| compare.holds(before.get(&compare.key)));
    let operations = if succeeded { &transaction.success } else { &transaction.failure };
    check_leases(leases, operations)?;
    let revision = history.revision().next();
    let (state, private) = (before.clone(), BTreeMap::new());
    let mut run = Run { state, revision, atomic_bytes: 0, private };
    let steps = operations.iter().enumerate();
    let results: Vec<_> = steps.map(|(place, operation)| run.step(place, operation)).collect();
    check_limits(operations, &results)?;
    if run.atomic_bytes > ATOMIC_BYTES_MAX {
        let error = InvalidRequest::limit("ATOMIC_BYTES_MAX", ATOMIC_BYTES_MAX, run.atomic_bytes);
        return Err(Rejection::Invalid(error.to_string()));
    }
    *leases = leases.follow(&run.state, &run.private)?;
    history.push(run.revision, &before, &run.state);
    Ok(TransactionOutcome { revision: history.revision(), succeeded, results })
}

fn check(history: &History, state: &State, conflict: &ReadConflict) -> Result<(), Rejection> {
    let (horizon, current) = (history.horizon(), history.revision());
    match conflict {
        ReadConflict::Key { key, expected } => {
            let actual = state.get(key).map_or(Revision::ZERO, |entry| entry.mod_revision);
            if actual != *expected {
                let (key, expected) = (key.clone(), *expected);
                return Err(Conflict { key, range: None, expected, actual }.into());
            }
        }
        ReadConflict::Range { range, read_revision } => {
            let requested = *read_revision;
            if requested < horizon {
                return Err(Rejection::Compacted { requested, horizon });
            }
            if requested > current {
                return Err(Rejection::FutureRevision { requested, current });
            }
            if let Some((key, actual)) = history.changed_after(range, requested) {
                let range = Some(range.clone());
                return Err(Conflict { key, range, expected: requested, actual }.into());
            }
        }
    }
    Ok(())
}

/// Every lease that a step names must be in force.
fn check_leases(leases: &GrantedLeases, operations: &[Operation]) -> Result<(), Rejection> {
    operations.iter().try_for_each(|operation| match operation {
        Operation::Put { lease: Some(lease), .. }
        | Operation::PutVersionstamped { lease: Some(lease), .. }
            if !leases.granted.contains_key(lease) =>
        {
            Err(Rejection::NoSuchLease { lease: *lease })
        }
        _ => Ok(()),
    })
}

/// A branch while it runs. An entry whose `mod_revision` is this transaction's was changed by it.
struct Run {
    state: State,
    revision: Revision,
    /// What atomic operations found.
    atomic_bytes: usize,
    /// The private leases of keys that were given a TTL, with that TTL.
    private: BTreeMap<LeaseId, u64>,
}

impl Run {
    fn step(&mut self, place: usize, operation: &Operation) -> OperationResult {
        match operation {
            Operation::Put { key, value, lease } => self.put(key, value, *lease),
            Operation::Delete { key } => self.delete(key),
            Operation::DeleteRange { range } => {
                let before = self.state.len();
                self.state.retain(|key, _| !range.contains(key.as_bytes()));
                OperationResult::Deleted { count: (before - self.state.len()) as u64 }
            }
            Operation::Get { key } => OperationResult::Get(self.state.get(key).cloned()),
            Operation::Scan { range, limit } => self.scan(range, *limit as usize),
            Operation::Atomic { key, operation } => self.atomic(key, operation),
            Operation::PutVersionstamped { key, value, position, lease } => {
                let stamp = Versionstamp::of(self.revision);
                let (key, value) = position.fill(key.clone(), value.clone(), stamp);
                self.put(&key, &value, *lease)
            }
            Operation::PutTtl { key, value, ttl_ms } => {
                let lease = LeaseId::private(self.revision, place);
                self.private.insert(lease, *ttl_ms);
                self.put(key, value, Some(lease))
            }
        }
    }

    fn delete(&mut self, key: &Key) -> OperationResult {
        OperationResult::Deleted { count: u64::from(self.state.remove(key).is_some()) }
    }

    fn atomic(&mut self, key: &Key, operation: &AtomicOperation) -> OperationResult {
        let found = self.state.get(key);
        self.atomic_bytes += found.map_or(0, |entry| entry.value.len());
        let lease = found.and_then(|entry| entry.lease);
        match operation.effect(found.map(|entry| &entry.value)) {
            AtomicEffect::Put(value) => self.put(key, &value, lease),
            AtomicEffect::Delete => self.delete(key),
            AtomicEffect::Unchanged => OperationResult::Deleted { count: 0 },
        }
    }

    fn put(&mut self, key: &Key, value: &Value, lease: Option<LeaseId>) -> OperationResult {
        let (version, create_revision) = match self.state.get(key) {
            None => (1, self.revision),
            Some(entry) if entry.mod_revision == self.revision => {
                (entry.version, entry.create_revision)
            }
            Some(entry) => (entry.version + 1, entry.create_revision),
        };
        let entry = KeyValue {
            key: key.clone(),
            value: value.clone(),
            version,
            create_revision,
            mod_revision: self.revision,
            lease,
        };
        self.state.insert(key.clone(), entry);
        OperationResult::Put { version, create_revision }
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> OperationResult {
        let inside = self.state.values().filter(|entry| range.contains(entry.key.as_bytes()));
        let mut entries: Vec<KeyValue> = inside.cloned().collect();
        let more = entries.len() > limit;
        entries.truncate(limit);
        OperationResult::Scan { entries, more }
    }
}

/// Checks after the fact what a transaction read and deleted, step by step, so that the limit named
/// is the one reached first.
fn check_limits(operations: &[Operation], results: &[OperationResult]) -> Result<(), Rejection> {
    let (mut deleted, mut read, mut bytes) = (0, 0, 0);
    let mut reads = |entry: &KeyValue| {
        read += 1;
        bytes += entry.len_bytes();
        exceeds("SCAN_RESULTS_MAX", SCAN_RESULTS_MAX as usize, read)?;
        exceeds("SCAN_BYTES_MAX", SCAN_BYTES_MAX, bytes)
    };
    let broken = operations.iter().zip(results).try_for_each(|step| match step {
        (Operation::DeleteRange { .. }, OperationResult::Deleted { count }) => {
            deleted += *count as usize;
            exceeds("DELETE_RANGE_KEYS_MAX", DELETE_RANGE_KEYS_MAX, deleted)
        }
        (_, OperationResult::Get(found)) => found.iter().try_for_each(&mut reads),
        (_, OperationResult::Scan { entries, .. }) => entries.iter().try_for_each(&mut reads),
        _ => ControlFlow::Continue(()),
    });
    match broken {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(Rejection::Invalid(error.to_string())),
    }
}

fn exceeds(name: &str, limit: usize, actual: usize) -> ControlFlow<InvalidRequest> {
    match actual > limit {
        true => ControlFlow::Break(InvalidRequest::limit(name, limit, actual)),
        false => ControlFlow::Continue(()),
    }
}

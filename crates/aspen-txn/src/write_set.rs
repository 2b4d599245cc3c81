//! What a transaction has written and not yet committed, as an ordered overlay over the store.

mod pending;
mod stamped_key;

use std::collections::BTreeMap;
use std::collections::btree_map::Range;

use aspen_core::{
    AtomicOperation, InvalidRequest, Key, KeyRange, LeaseId, Operation, Revision, ScanOrder,
    StampPosition, TRANSACTION_BYTES_MAX, TRANSACTION_OPERATIONS_MAX, Value,
};

use crate::range_set::{RangeSet, intersection};

pub(crate) use pending::{Life, Pending};
use stamped_key::StampedKey;

/// Pending writes, reduced to what is left to do: cleared ranges come first, then one entry for
/// each key, then puts whose keys are not known before the commit.
#[derive(Debug, Default)]
pub(crate) struct WriteSet {
    cleared: RangeSet,
    points: BTreeMap<Key, Pending>,
    stamped_keys: Vec<StampedKey>,
    /// The operations and bytes of points and stamped keys.
    operations: usize,
    bytes: usize,
}

/// What the writes say of a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing: it is as it is stored.
    Stored,
    /// What it is, whatever is stored.
    Known(Option<Value>),
    /// It follows from what is stored.
    Atomic(Vec<AtomicOperation>),
    /// It holds a versionstamp.
    Unreadable,
}

impl WriteSet {
    /// Whether nothing was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_empty() && self.cleared.is_empty() && self.stamped_keys.is_empty()
    }

    /// Sets a key.
    pub(crate) fn put(&mut self, key: Key, value: Value, life: Life) {
        self.update(key, |before, cleared| {
            let anew = !cleared && before.is_some_and(|before| before.deletes());
            Some(Pending::Put { value, life, anew })
        });
    }

    /// Removes a key.
    pub(crate) fn delete(&mut self, key: Key) {
        self.update(key, |_, cleared| (!cleared).then_some(Pending::Delete));
    }

    /// Applies an atomic operation, at once where the value is known.
    pub(crate) fn atomic(&mut self, key: Key, operation: AtomicOperation) {
        self.update(key.clone(), |before, cleared| match (before, cleared) {
            (Some(before), _) => before.then_atomic(key, operation, cleared),
            (None, true) => {
                let value = operation.apply(None)?;
                Some(Pending::Put { value, life: Life::Unbounded, anew: false })
            }
            (None, false) => Some(Pending::Atomic(vec![operation])),
        });
    }

    /// Removes every key of a range.
    ///
    /// # Errors
    /// When it is not known whether the range holds a key that this transaction stamps.
    pub(crate) fn delete_range(&mut self, range: KeyRange) -> Result<(), InvalidRequest> {
        if range.is_empty() {
            return Ok(());
        }
        for stamped in &self.stamped_keys {
            let keys = stamped.keys(Revision::ZERO);
            let both = intersection(&keys, &range);
            if !both.is_empty() && both != keys {
                return Err(InvalidRequest::new(
                    "a range delete cuts the keys that a versionstamped key of the same \
                     transaction may have",
                ));
            }
        }
        self.drop_stamped_keys(&range);
        let inside: Vec<Key> = self.points_in(&range).map(|(key, _)| key.clone()).collect();
        for key in inside {
            self.update(key, |_, _| None);
        }
        self.cleared.insert(range);
        Ok(())
    }

    fn drop_stamped_keys(&mut self, range: &KeyRange) {
        let gone =
            |stamped: &StampedKey| !intersection(&stamped.keys(Revision::ZERO), range).is_empty();
        let dropped = self.stamped_keys.iter().filter(|stamped| gone(stamped));
        let (count, bytes) = dropped.fold((0, 0), |(count, bytes), stamped| {
            (count + 1, bytes + stamped.operation().len_bytes())
        });
        self.operations -= count;
        self.bytes -= bytes;
        self.stamped_keys.retain(|stamped| !gone(stamped));
    }

    /// Sets a key with the transaction's versionstamp in it or its value.
    ///
    /// # Errors
    /// When there is no placeholder at the position.
    pub(crate) fn put_versionstamped(
        &mut self,
        key: Key,
        value: Value,
        position: StampPosition,
        lease: Option<LeaseId>,
    ) -> Result<(), InvalidRequest> {
        position.validate(&key, &value)?;
        if let StampPosition::Key(offset) = position {
            let stamped = StampedKey { template: key, offset, value, lease };
            self.operations += 1;
            self.bytes += stamped.operation().len_bytes();
            self.stamped_keys.push(stamped);
            return Ok(());
        }
        let put = Operation::PutVersionstamped { key: key.clone(), value, position, lease };
        self.update(key.clone(), |before, cleared| {
            let anew = !cleared && before.is_some_and(|before| before.deletes());
            let delete = anew.then_some(Operation::Delete { key });
            Some(Pending::Unreadable(delete.into_iter().chain([put]).collect()))
        });
        Ok(())
    }

    /// Replaces the entry of a key; `change` gets the one before, and whether the key lies in a
    /// cleared range.
    fn update(&mut self, key: Key, change: impl FnOnce(Option<Pending>, bool) -> Option<Pending>) {
        let cleared = self.cleared.contains(key.as_bytes());
        let before = self.points.remove(&key);
        if let Some(before) = &before {
            self.operations -= before.len();
            self.bytes -= before.len_bytes(&key);
        }
        if let Some(after) = change(before, cleared) {
            self.operations += after.len();
            self.bytes += after.len_bytes(&key);
            self.points.insert(key, after);
        }
    }

    /// Checks the limits of a transaction.
    ///
    /// # Errors
    /// Names the limit that is exceeded.
    pub(crate) fn check_limits(&self) -> Result<(), InvalidRequest> {
        let operations = self.operations + self.cleared.len();
        let (most, name) = (TRANSACTION_OPERATIONS_MAX, "TRANSACTION_OPERATIONS_MAX");
        if operations > most {
            return Err(InvalidRequest::limit(name, most, operations));
        }
        let bytes = self.bytes + self.cleared.len_bytes();
        let (most, name) = (TRANSACTION_BYTES_MAX, "TRANSACTION_BYTES_MAX");
        match bytes > most {
            true => Err(InvalidRequest::limit(name, most, bytes)),
            false => Ok(()),
        }
    }

    /// What the writes say of a key, for a transaction that reads at `read_revision`.
    pub(crate) fn seen(&self, key: &Key, read_revision: Option<Revision>) -> Seen {
        let after = read_revision.unwrap_or(Revision::ZERO);
        if self.stamped_keys.iter().any(|stamped| stamped.may_be(key, after)) {
            return Seen::Unreadable;
        }
        match self.points.get(key) {
            Some(pending) => pending.seen(),
            None if self.cleared.contains(key.as_bytes()) => Seen::Known(None),
            None => Seen::Stored,
        }
    }

    /// Whether reading needs the read revision first, to tell which keys may be stamped.
    pub(crate) fn has_stamped_keys(&self) -> bool {
        !self.stamped_keys.is_empty()
    }

    /// The keys with an entry of their own in a range.
    pub(crate) fn points_in(&self, range: &KeyRange) -> Range<'_, Key, Pending> {
        self.points.range::<[u8], _>(range.bounds())
    }

    /// Whether the key is in a cleared range.
    pub(crate) fn is_cleared(&self, key: &Key) -> bool {
        self.cleared.contains(key.as_bytes())
    }

    /// The parts of a range that were not cleared.
    pub(crate) fn uncleared(&self, range: &KeyRange) -> Vec<KeyRange> {
        self.cleared.gaps(range)
    }

    /// The first part of a range, in the order of a scan, that cannot be read before the commit.
    pub(crate) fn first_unreadable(
        &self,
        range: &KeyRange,
        order: ScanOrder,
        read_revision: Revision,
    ) -> Option<KeyRange> {
        let stamped = self.stamped_keys.iter().map(|stamped| stamped.keys(read_revision));
        let unreadable = |pending: &Pending| matches!(pending, Pending::Unreadable(_));
        let points = self.points_in(range).filter(|(_, pending)| unreadable(pending));
        let points = points.map(|(key, _)| KeyRange::single(key));
        let parts = stamped.chain(points).map(|part| intersection(&part, range));
        let parts = parts.filter(|part| !part.is_empty());
        match order {
            ScanOrder::Forward => parts.min_by(|a, b| a.start.cmp(&b.start)),
            ScanOrder::Reverse => parts.max_by(|a, b| a.end.cmp(&b.end)),
        }
    }

    /// The operations that are left to do, in order.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        let cleared = self.cleared.iter().map(|range| Operation::DeleteRange { range });
        let points = self.points.iter().flat_map(|(key, pending)| pending.operations(key));
        let stamped = self.stamped_keys.iter().map(StampedKey::operation);
        cleared.chain(points).chain(stamped).collect()
    }
}

#[cfg(test)]
mod tests;

//! What one commit will write, and what it will change in memory once it is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aspen_core::{GroupId, LogIndex};
use bytes::Bytes;

use super::header::Stamp;
use super::request::{Done, Group, Write};
use super::row::{self, Kind};
use super::slots::Slot;
use super::{LogError, LogRecord};

/// Bytes of one record's payload at most. Above any message that may cross the network (10 MiB),
/// so that consensus never meets it; below what would make one commit block all groups for long.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// An entry to insert.
#[derive(Debug)]
pub(super) struct Insert {
    pub(super) group: GroupId,
    pub(super) index: u64,
    pub(super) payload: Bytes,
}

/// One group's part. The log keeps its entries before `cut`; then come the appended ones.
#[derive(Debug)]
struct Change {
    group: Arc<Group>,
    cut: u64,
    appended: Vec<(u64, Slot)>,
    vote: Option<Bytes>,
}

impl Change {
    /// The position that the next append must have; `None` for any.
    fn next(&self) -> Option<u64> {
        match self.appended.last() {
            Some((index, _)) => Some(index + 1),
            None => self.group.view.lock().next_before(self.cut),
        }
    }
}

/// A commit in the making: planning touches neither the file nor what readers see, so that a write
/// that breaks the contract fails alone.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) inserts: BTreeMap<u64, Insert>,
    pub(super) removes: BTreeSet<u64>,
    /// Metadata rows; `None` removes one.
    pub(super) metadata: BTreeMap<u64, Option<Vec<u8>>>,
    pub(super) stamp: Option<Stamp>,
    /// Somebody wants everything saved that is only kept in memory.
    pub(super) flush: bool,
    /// Bytes of payload to insert.
    pub(super) bytes: u64,
    pub(super) waiters: Vec<Done>,
    changes: BTreeMap<GroupId, Change>,
}

impl Plan {
    /// The commit would write nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.inserts.is_empty()
            && self.removes.is_empty()
            && self.metadata.is_empty()
            && self.stamp.is_none()
    }

    /// Adds a write. `sequence` is the key of the next row.
    pub(super) fn add(
        &mut self,
        group: &Arc<Group>,
        write: Write,
        sequence: &mut u64,
    ) -> Result<(), LogError> {
        let change = self.changes.entry(group.id).or_insert_with(|| Change {
            group: Arc::clone(group),
            cut: u64::MAX,
            appended: Vec::new(),
            vote: None,
        });
        match write {
            Write::Append(records) => {
                check_append(change.next(), &records)?;
                for record in records {
                    self.bytes += record.payload.len() as u64;
                    insert(&mut self.inserts, change, record, sequence);
                }
            }
            Write::Truncate(from) => {
                truncate(&mut self.inserts, &mut self.removes, change, from)?;
            }
            Write::Vote(vote) => {
                let key = row::metadata_key(group.id, Kind::Vote);
                self.metadata.insert(key, Some(row::seal(&key.to_be_bytes(), &vote)));
                change.vote = Some(vote);
            }
        }
        Ok(())
    }

    /// Shows readers what is now durable. Rows of entries that were purged meanwhile go to
    /// `orphan`.
    pub(super) fn publish(&mut self, mut orphan: impl FnMut(u64)) {
        for change in std::mem::take(&mut self.changes).into_values() {
            let mut view = change.group.view.lock();
            view.slots.truncate(change.cut);
            let purged = view.purged_upto();
            for (index, slot) in change.appended {
                if purged.is_some_and(|upto| index <= upto) || !view.slots.push(index, slot) {
                    orphan(slot.sequence);
                }
            }
            if change.vote.is_some() {
                view.vote = change.vote;
            }
        }
    }
}

fn check_append(next: Option<u64>, records: &[LogRecord]) -> Result<(), LogError> {
    let mut next = next;
    for record in records {
        let index = record.index.get();
        if let Some(wanted) = next.filter(|&wanted| wanted != index) {
            return Err(LogError::Misuse(format!("append of entry {index}, not of {wanted}")));
        }
        if record.payload.len() > RECORD_BYTES_MAX {
            let len = record.payload.len();
            return Err(LogError::Misuse(format!(
                "entry {index} has {len} bytes; {RECORD_BYTES_MAX} are allowed"
            )));
        }
        next = index.checked_add(1);
    }
    Ok(())
}

fn insert(
    inserts: &mut BTreeMap<u64, Insert>,
    change: &mut Change,
    record: LogRecord,
    sequence: &mut u64,
) {
    let len = u32::try_from(record.payload.len()).expect("RECORD_BYTES_MAX fits 32 bits");
    let index = record.index.get();
    change.appended.push((index, Slot { sequence: *sequence, len }));
    inserts.insert(*sequence, Insert { group: change.group.id, index, payload: record.payload });
    *sequence += 1;
}

fn truncate(
    inserts: &mut BTreeMap<u64, Insert>,
    removes: &mut BTreeSet<u64>,
    change: &mut Change,
    from: LogIndex,
) -> Result<(), LogError> {
    let view = change.group.view.lock();
    if let Some(upto) = view.purged_upto().filter(|&upto| from.get() <= upto) {
        return Err(LogError::Misuse(format!("truncate from {from}, purged up to {upto}")));
    }
    while let Some((_, slot)) = change.appended.pop_if(|(index, _)| *index >= from.get()) {
        inserts.remove(&slot.sequence);
    }
    let cut = change.cut;
    let gone = view.slots.from(from.get()).take_while(|(index, _)| *index < cut);
    removes.extend(gone.map(|(_, slot)| slot.sequence));
    change.cut = cut.min(from.get());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::log::view::View;

    fn records(range: std::ops::Range<u64>) -> Write {
        let record = |index| LogRecord {
            index: LogIndex::new(index),
            payload: Bytes::from(index.to_string()),
        };
        Write::Append(range.map(record).collect())
    }

    fn group() -> Arc<Group> {
        Group::new(GroupId::META, View::default())
    }

    fn ends(group: &Group) -> (u64, u64) {
        let view = group.view.lock();
        (view.slots.first(), view.slots.end())
    }

    #[test]
    fn readers_see_nothing_before_publication() {
        let (group, mut plan, mut sequence) = (group(), Plan::default(), 5);
        plan.add(&group, records(0..3), &mut sequence).unwrap();
        plan.add(&group, Write::Vote(Bytes::from_static(b"v")), &mut sequence).unwrap();
        assert_eq!((sequence, group.view.lock().state().last), (8, None));
        assert_eq!(group.view.lock().vote, None);
        plan.publish(|_| ());
        assert_eq!(ends(&group), (0, 3));
        assert_eq!(group.view.lock().vote, Some(Bytes::from_static(b"v")));
    }

    #[test]
    fn a_batch_may_truncate_what_it_appends() {
        let (group, mut plan, mut sequence) = (group(), Plan::default(), 0);
        plan.add(&group, records(0..4), &mut sequence).unwrap();
        plan.publish(|_| ());
        let mut plan = Plan::default();
        plan.add(&group, records(4..6), &mut sequence).unwrap();
        plan.add(&group, Write::Truncate(LogIndex::new(5)), &mut sequence).unwrap();
        plan.add(&group, Write::Truncate(LogIndex::new(2)), &mut sequence).unwrap();
        plan.add(&group, records(2..3), &mut sequence).unwrap();
        assert_eq!(plan.inserts.keys().copied().collect::<Vec<_>>(), [6]);
        assert_eq!(plan.removes, BTreeSet::from([2, 3]));
        assert!(plan.add(&group, records(2..3), &mut sequence).is_err(), "the position is taken");
        plan.publish(|_| ());
        assert_eq!(ends(&group), (0, 3));
    }

    #[test]
    fn gaps_and_oversized_records_are_refused() {
        let (group, mut plan, mut sequence) = (group(), Plan::default(), 0);
        plan.add(&group, records(3..5), &mut sequence).unwrap();
        assert!(plan.add(&group, records(6..7), &mut sequence).is_err());
        let big = LogRecord {
            index: LogIndex::new(5),
            payload: Bytes::from(vec![0; RECORD_BYTES_MAX + 1]),
        };
        assert!(plan.add(&group, Write::Append(vec![big]), &mut sequence).is_err());
        assert_eq!(sequence, 2, "what is refused takes no row");
    }

    #[test]
    fn a_purge_during_the_commit_orphans_what_it_passed() {
        let (group, mut plan, mut sequence) = (group(), Plan::default(), 0);
        plan.add(&group, records(0..4), &mut sequence).unwrap();
        group.view.lock().purge(LogIndex::new(2), Bytes::new(), |_| ()).unwrap();
        let mut orphans = Vec::new();
        plan.publish(|row| orphans.push(row));
        assert_eq!((orphans, ends(&group)), (vec![0, 1, 2], (3, 4)));
        let late = plan.add(&group, Write::Truncate(LogIndex::new(2)), &mut sequence);
        assert!(matches!(late, Err(LogError::Misuse(_))));
    }
}

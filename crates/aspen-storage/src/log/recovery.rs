//! Rebuilding the in-memory view of every group from the file.

use std::collections::BTreeMap;

use aspen_core::GroupId;
use bytes::Bytes;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::header::{ENTRIES, METADATA, Stamp};
use super::row::{self, Kind};
use super::slots::Slot;
use super::sweep::Sweep;
use super::view::View;
use super::{LogError, header};

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) stamp: Option<Stamp>,
    pub(super) groups: BTreeMap<GroupId, View>,
    /// Rows below the purge markers, which a crash left behind.
    pub(super) sweep: Sweep,
    /// The key of the next row.
    pub(super) next_sequence: u64,
    /// Rows of entries read.
    pub(super) rows: u64,
}

/// Reads the whole file and checks every row.
pub(super) fn recover(transaction: &ReadTransaction) -> Result<Recovered, LogError> {
    let mut recovered = Recovered { stamp: header::read(transaction)?, ..Recovered::default() };
    read_metadata(transaction, &mut recovered)?;
    read_entries(transaction, &mut recovered)?;
    Ok(recovered)
}

fn read_metadata(transaction: &ReadTransaction, to: &mut Recovered) -> Result<(), LogError> {
    let table = transaction.open_table(METADATA)?;
    let mut rows = 0;
    for row in table.iter()? {
        let (key, value) = row?;
        let (group, kind) = row::parse_metadata_key(key.value())?;
        let body = row::unseal(&key.value().to_be_bytes(), value.value())?;
        let view = to.groups.entry(group).or_default();
        match kind {
            Kind::Vote => view.vote = Some(Bytes::copy_from_slice(body)),
            Kind::Committed => view.committed = Some(Bytes::copy_from_slice(body)),
            Kind::Purged => view.purged = Some(row::decode_purged(body)?),
        }
        rows += 1;
    }
    check_count("metadata", rows, table.len()?)
}

fn read_entries(transaction: &ReadTransaction, to: &mut Recovered) -> Result<(), LogError> {
    let table = transaction.open_table(ENTRIES)?;
    for row in table.iter()? {
        let (key, value) = row?;
        let sequence = key.value();
        if sequence < to.next_sequence {
            return Err(LogError::Corrupt(format!("entry row {sequence} is out of order")));
        }
        let (group, index, payload) = row::decode_entry(sequence, value.value())?;
        to.place(sequence, group, index, payload.len())?;
        to.next_sequence = sequence
            .checked_add(1)
            .ok_or_else(|| LogError::Corrupt("sequence overflows".to_owned()))?;
        to.rows += 1;
    }
    check_count("entries", to.rows, table.len()?)
}

/// A damaged branch page can hide whole leaves; the table's own count tells.
fn check_count(table: &str, found: u64, wanted: u64) -> Result<(), LogError> {
    if found == wanted {
        return Ok(());
    }
    Err(LogError::Corrupt(format!("table {table} has {found} rows, not {wanted}")))
}

impl Recovered {
    fn place(
        &mut self,
        sequence: u64,
        group: GroupId,
        index: u64,
        len: usize,
    ) -> Result<(), LogError> {
        let view = self.groups.entry(group).or_default();
        if view.purged_upto().is_some_and(|upto| index <= upto) {
            self.sweep.add(sequence);
            return Ok(());
        }
        let corrupt = |what: String| LogError::Corrupt(format!("{group}/{index}: {what}"));
        let len = u32::try_from(len).map_err(|_| corrupt("entry is too long".to_owned()))?;
        if let Some(wanted) = view.next_before(u64::MAX).filter(|&wanted| wanted != index) {
            return Err(corrupt(format!("entry {wanted} is missing")));
        }
        if view.slots.push(index, Slot { sequence, len }) {
            return Ok(());
        }
        Err(corrupt("entry is out of order".to_owned()))
    }
}

//! Read conflicts: whether what a transaction read is still so.

use aspen_core::{Conflict, Key, KeyRange, ReadConflict, Rejection, Revision, runtime};

use super::transaction::Refusal;
use crate::state::{Tables, Version};

/// Checks conflicts in the order given; the first that fails rejects.
pub(super) fn check<T: Tables + ?Sized>(
    tables: &T,
    conflicts: &[ReadConflict],
) -> Result<(), Refusal> {
    conflicts.iter().try_for_each(|conflict| match conflict {
        ReadConflict::Key { key, expected } => check_key(tables, key, *expected),
        ReadConflict::Range { range, read_revision } => check_range(tables, range, *read_revision),
    })
}

fn check_key<T: Tables + ?Sized>(tables: &T, key: &Key, expected: Revision) -> Result<(), Refusal> {
    let latest = tables.latest(key)?.filter(|version| version.live.is_some());
    if runtime::planted("check-on-version") && is_new_again(latest.as_ref(), expected) {
        return Ok(());
    }
    let actual = latest.map_or(Revision::ZERO, |version| version.mod_revision);
    match actual == expected {
        true => Ok(()),
        false => Err(Conflict { key: key.clone(), range: None, expected, actual }.into()),
    }
}

/// A key that was read at its first version, deleted, and created again: who looks at versions
/// alone takes it for unchanged. Only for the planted bug.
fn is_new_again(latest: Option<&Version>, expected: Revision) -> bool {
    let live = latest.and_then(|version| version.live.as_ref());
    expected > Revision::ZERO && live.is_some_and(|live| live.version == 1)
}

/// Below the horizon deletions are forgotten, so a change could go unseen: that is an answer of its
/// own, not "no conflict".
fn check_range<T: Tables + ?Sized>(
    tables: &T,
    range: &KeyRange,
    requested: Revision,
) -> Result<(), Refusal> {
    let (horizon, current) = (tables.group().horizon, tables.group().revision);
    if requested < horizon {
        return Err(Rejection::Compacted { requested, horizon }.into());
    }
    if requested > current {
        return Err(Rejection::FutureRevision { requested, current }.into());
    }
    if runtime::planted("no-range-check") {
        return Ok(());
    }
    match tables.changed_after(range, requested)? {
        None => Ok(()),
        Some((key, actual)) => {
            Err(Conflict { key, range: Some(range.clone()), expected: requested, actual }.into())
        }
    }
}

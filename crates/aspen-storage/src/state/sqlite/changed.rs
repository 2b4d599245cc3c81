//! Range conflicts: what changed in a range after a revision.

use aspen_core::{Key, KeyRange, Revision};
use rusqlite::params;

use super::sql::{from_sql, revision_in, revision_out};
use super::view::{View, stored_key};
use crate::state::StateError;

/// How many rows the first, cheap attempt looks at on each way.
const ROWS_FIRST: usize = 4096;

/// The first key of the range, in key order, that the body saw changed after `revision`, with its
/// newest change there.
///
/// Two ways lead there: through the range's rows, and through the changes since the revision.
/// Either can be huge while the other is tiny, so both get a growing budget in turn, and the total
/// stays within a small multiple of the cheaper one.
pub(super) fn changed_after(
    view: &View<'_>,
    range: &KeyRange,
    revision: Revision,
) -> Result<Option<(Key, Revision)>, StateError> {
    let mut rows_max = ROWS_FIRST;
    loop {
        if let Answer::Known(found) = through_range(view, range, revision, rows_max)? {
            return Ok(found);
        }
        if let Answer::Known(found) = through_changes(view, range, revision, rows_max)? {
            return Ok(found);
        }
        rows_max = rows_max.saturating_mul(4);
    }
}

enum Answer {
    Known(Option<(Key, Revision)>),
    OutOfBudget,
}

fn through_range(
    view: &View<'_>,
    range: &KeyRange,
    revision: Revision,
    rows_max: usize,
) -> Result<Answer, StateError> {
    let end = if range.end.is_some() { " AND key < ?" } else { "" };
    let sql = format!("SELECT key, mod_revision FROM current WHERE key >= ?{end} ORDER BY key");
    let mut select = view.connection().prepare_cached(&sql).map_err(from_sql)?;
    let rows = match &range.end {
        Some(end) => select.query([&range.start[..], &end[..]]),
        None => select.query([&range.start[..]]),
    };
    let mut rows = rows.map_err(from_sql)?;
    for _ in 0..rows_max {
        let Some(row) = rows.next().map_err(from_sql)? else { return Ok(Answer::Known(None)) };
        let changed = revision_out(row.get(1).map_err(from_sql)?);
        if changed > revision {
            return Ok(Answer::Known(Some((key_of(row, 0)?, changed))));
        }
    }
    Ok(Answer::OutOfBudget)
}

fn through_changes(
    view: &View<'_>,
    range: &KeyRange,
    revision: Revision,
    rows_max: usize,
) -> Result<Answer, StateError> {
    let mut select = view
        .connection()
        .prepare_cached("SELECT revision, key FROM undo WHERE revision > ? ORDER BY revision, key")
        .map_err(from_sql)?;
    let mut rows = select.query(params![revision_in(revision)]).map_err(from_sql)?;
    let mut first: Option<(Key, Revision)> = None;
    for _ in 0..rows_max {
        let Some(row) = rows.next().map_err(from_sql)? else { return Ok(Answer::Known(first)) };
        let key = row.get_ref(1).map_err(from_sql)?;
        let key = key.as_blob().map_err(|error| StateError::Corrupt(error.to_string()))?;
        let smaller = first.as_ref().is_none_or(|(first, _)| key <= first.as_bytes());
        if smaller && range.contains(key) {
            // Revisions ascend, so the last one seen of a key is its newest.
            first = Some((stored_key(key)?, revision_out(row.get(0).map_err(from_sql)?)));
        }
    }
    Ok(Answer::OutOfBudget)
}

fn key_of(row: &rusqlite::Row<'_>, column: usize) -> Result<Key, StateError> {
    let key = row.get_ref(column).map_err(from_sql)?;
    stored_key(key.as_blob().map_err(|error| StateError::Corrupt(error.to_string()))?)
}

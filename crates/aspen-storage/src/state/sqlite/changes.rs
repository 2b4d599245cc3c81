//! What changed after a position: from the head while it still has it, else from the body's
//! history.

use std::collections::BTreeMap;
use std::convert::Infallible;

use aspen_core::{Key, Revision, Told, WatchPosition};
use rusqlite::params;

use super::core::Core;
use super::head::{Head, Layer};
use super::scan::LazyView;
use super::sql::{from_sql, revision_in, revision_out};
use super::stored::{COLUMNS, Stored};
use super::view::{View, stored_key};
use crate::state::changes::{Changes, ChangesBuilder, ChangesRequest, includes};
use crate::state::{Live, StateError};

impl Head {
    /// The changes, when the head has all that are wanted; `None` when the body has some.
    pub(super) fn changes(&self, request: &ChangesRequest) -> Result<Option<Changes>, StateError> {
        let known = request.after.complete();
        self.registers.readable().resolve_history(Some(known.min(self.registers.revision)))?;
        let until = request.until.min(self.registers.revision);
        if request.after >= WatchPosition::through(until) {
            return Ok(Some(Changes::none(request.after.clone())));
        }
        if known < self.body_revision {
            return Ok(None);
        }
        let mut builder = ChangesBuilder::new(request);
        let frozen = self.frozen.as_ref().map(|frozen| &frozen.layer);
        for layer in frozen.into_iter().chain([&self.active]) {
            if !collect(layer, request, until, &mut builder) {
                return Ok(Some(builder.cut()));
            }
        }
        Ok(Some(builder.complete(until)))
    }
}

/// Visits a layer's changes; answers whether there was room for all of them.
fn collect(
    layer: &Layer,
    request: &ChangesRequest,
    until: Revision,
    builder: &mut ChangesBuilder<'_>,
) -> bool {
    let changes = layer.changes_in_order();
    let first = changes.partition_point(|(revision, key)| includes(&request.after, *revision, key));
    for (revision, key) in changes[first..].iter().take_while(|(revision, _)| *revision <= until) {
        if !builder.has_room() {
            return false;
        }
        let live = || Ok::<_, Infallible>(layer.at(key, *revision).and_then(|it| it.live.clone()));
        let Ok(()) = builder.visit(*revision, key, live);
    }
    true
}

/// The changes that the body knows of; runs on a read thread.
pub(super) fn read_changes(
    core: &Core,
    view: &mut LazyView<'_>,
    request: &ChangesRequest,
) -> Result<Changes, StateError> {
    let body_revision = core.head.read().body_revision;
    let view = view.covering(body_revision)?;
    view.check_history(request.after.complete())?;
    let until = request.until.min(view.revision);
    let rows = rows(view, request, until)?;
    let all = rows.len() < request.visits_max;
    let mut builder = ChangesBuilder::new(request);
    let next = next_change_of_key(&rows);
    for (row, next) in rows.iter().zip(next) {
        if !builder.has_room() {
            return Ok(builder.cut());
        }
        let before_next = next.map(|next| &rows[next].before);
        builder.visit(row.revision, &row.key, || live_after(view, row, before_next))?;
    }
    Ok(if all { builder.complete(until) } else { builder.cut() })
}

/// A change that the history tells of, with what it undid.
struct Row {
    revision: Revision,
    key: Key,
    before: Stored,
}

fn rows(
    view: &View<'_>,
    request: &ChangesRequest,
    until: Revision,
) -> Result<Vec<Row>, StateError> {
    let (from, key) = match &request.after.told {
        Told::All => (request.after.revision.next(), &[][..]),
        Told::Through(key) => (request.after.revision, key.as_bytes()),
    };
    let mut select = view
        .connection()
        .prepare_cached(&format!(
            "SELECT revision, key, {COLUMNS} FROM undo WHERE (revision, key) > (?, ?) \
             AND revision <= ? ORDER BY revision, key LIMIT ?"
        ))
        .map_err(from_sql)?;
    let limit = i64::try_from(request.visits_max).unwrap_or(i64::MAX);
    let mut found = select
        .query(params![revision_in(from), key, revision_in(until), limit])
        .map_err(from_sql)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(from_sql)? {
        let key = row.get_ref(1).map_err(from_sql)?;
        let key = key.as_blob().map_err(|error| StateError::Corrupt(error.to_string()))?;
        rows.push(Row {
            revision: revision_out(row.get(0).map_err(from_sql)?),
            key: stored_key(key)?,
            before: Stored::from_row(row, 2).map_err(from_sql)?,
        });
    }
    Ok(rows)
}

/// For each row the next one of the same key. What a change made of a key is what the next one
/// undid; only a key's last row has to be walked back to from the present, which for a key that
/// changes often is a long way.
fn next_change_of_key(rows: &[Row]) -> Vec<Option<usize>> {
    let mut next = vec![None; rows.len()];
    let mut later: BTreeMap<&Key, usize> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate().rev() {
        next[place] = later.insert(&row.key, place);
    }
    next
}

fn live_after(
    view: &mut View<'_>,
    row: &Row,
    before_next: Option<&Stored>,
) -> Result<Option<Live>, StateError> {
    let version = match before_next {
        Some(state) => Some(view.version(state.clone())?),
        None => view.at(row.key.as_bytes(), row.revision)?,
    };
    Ok(version.filter(|it| it.mod_revision == row.revision).and_then(|it| it.live))
}

//! Head and body as one ordered map.

use aspen_core::{Key, KeyRange, KeyValue, Revision, ScanOrder};
use parking_lot::RwLock;
use rusqlite::Connection;

use super::head::{Chunk, Head};
use super::view::{View, stored_key};
use crate::state::{StateError, Version};

/// A view that is begun when it is needed, and begun again when the head has handed changes to the
/// body since.
pub(super) struct LazyView<'c> {
    connection: &'c Connection,
    view: Option<View<'c>>,
}

impl<'c> LazyView<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, view: None }
    }

    /// A view that sees at least everything up to `revision`.
    ///
    /// # Errors
    /// `Stopped` when the file never will, because a snapshot replaced it.
    pub(super) fn covering(&mut self, revision: Revision) -> Result<&mut View<'c>, StateError> {
        let stale = self.view.take_if(|view| view.revision < revision);
        drop(stale);
        if self.view.is_none() {
            self.view = Some(View::begin(self.connection)?);
        }
        match &mut self.view {
            Some(view) if view.revision >= revision => Ok(view),
            _ => Err(StateError::Stopped(REPLACED.to_owned())),
        }
    }
}

/// What a reader of a replaced file is told; it goes to the new one and starts again.
pub(super) const REPLACED: &str = "the state was replaced by a snapshot";

/// What to scan.
pub(super) struct Span {
    pub(super) range: KeyRange,
    pub(super) order: ScanOrder,
    /// The revision to read; above all revisions for the newest versions.
    pub(super) at: Revision,
    /// Whether values are wanted; they are empty otherwise.
    pub(super) with_values: bool,
    /// About how many keys will be wanted.
    pub(super) keys: usize,
}

/// Visits the existing keys of a span in order until `visit` answers `false`.
pub(super) fn scan(
    head: &RwLock<Head>,
    view: &mut LazyView<'_>,
    span: Span,
    visit: &mut dyn FnMut(KeyValue) -> bool,
) -> Result<(), StateError> {
    let mut rest = Some(span.range.clone()).filter(|range| !range.is_empty());
    while let Some(range) = rest.take() {
        // The head goes first: a body that is newer than it can be walked back, an older one would
        // miss what the head has handed down between.
        let chunk = head.read().chunk(&range, span.order, span.at, span.keys);
        let view = view.covering(chunk.body_revision)?;
        rest = chunk.rest.clone();
        if !merge(chunk, view, &span, visit)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Counts the existing keys of a span. Where the head has no keys and nothing in the body is newer
/// than the span's revision, the body counts by itself.
pub(super) fn count(
    head: &RwLock<Head>,
    view: &mut LazyView<'_>,
    span: Span,
) -> Result<u64, StateError> {
    let chunk = head.read().chunk(&span.range, span.order, span.at, span.keys);
    let body = view.covering(chunk.body_revision)?;
    if chunk.entries.is_empty() && chunk.rest.is_none() && body.revision <= span.at {
        return body.count(&span.range);
    }
    let mut keys = 0;
    scan(head, view, span, &mut |_| {
        keys += 1;
        true
    })?;
    Ok(keys)
}

/// Merges a chunk of the head with the body below it; answers whether to go on.
fn merge(
    chunk: Chunk,
    view: &mut View<'_>,
    span: &Span,
    visit: &mut dyn FnMut(KeyValue) -> bool,
) -> Result<bool, StateError> {
    let mut entries = chunk.entries.into_iter().peekable();
    let mut emit = |key: &Key, version: &Version| version.to_key_value(key).is_none_or(&mut *visit);
    let mut goes_on = true;
    view.range(&chunk.covers, span.order, span.at, span.with_values, &mut |key, version| {
        let comes_first = |entry: &(Key, Version)| match span.order {
            ScanOrder::Forward => entry.0.as_bytes() < key,
            ScanOrder::Reverse => entry.0.as_bytes() > key,
        };
        while goes_on && let Some((key, newer)) = entries.next_if(comes_first) {
            goes_on = emit(&key, &newer);
        }
        if goes_on {
            goes_on = match entries.next_if(|entry| entry.0.as_bytes() == key) {
                Some((key, newer)) => emit(&key, &newer),
                None => version.live.is_none() || emit(&stored_key(key)?, &version),
            };
        }
        Ok(goes_on)
    })?;
    while goes_on && let Some((key, newer)) = entries.next() {
        goes_on = emit(&key, &newer);
    }
    Ok(goes_on)
}

//! [`Tables`] over head and body, for the apply thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

use aspen_core::{Key, KeyRange, KeyValue, LeaseId, Revision, ScanOrder};
use parking_lot::RwLock;
use rusqlite::Connection;

use super::changed;
use super::head::Head;
use super::scan::{LazyView, Span, scan};
use crate::state::{GroupState, Live, StateError, Summary, Tables, Version};

/// Above every revision: changes of the entry being applied are seen too.
const NEWEST: Revision = Revision::new(u64::MAX);

/// The tables for one call of apply. Changes go to the head at once; readers do not see them before
/// the registers are published.
pub(super) struct HeadTables<'a> {
    group: &'a mut GroupState,
    head: &'a RwLock<Head>,
    view: RefCell<LazyView<'a>>,
}

impl<'a> HeadTables<'a> {
    pub(super) fn new(
        group: &'a mut GroupState,
        head: &'a RwLock<Head>,
        connection: &'a Connection,
    ) -> Self {
        Self { group, head, view: RefCell::new(LazyView::new(connection)) }
    }

    /// A deletion that the horizon has passed is removed some time later, at another time on every
    /// replica. None may see whether that has happened.
    fn is_visible(&self, mod_revision: Revision, is_live: bool) -> bool {
        is_live || mod_revision > self.group.horizon
    }

    /// A key's newest row in the body, which holds everything up to `body_revision`.
    fn summary_in_body(
        &self,
        key: &Key,
        body_revision: Revision,
    ) -> Result<Option<Summary>, StateError> {
        if body_revision == Revision::ZERO {
            return Ok(None);
        }
        let mut view = self.view.borrow_mut();
        view.covering(body_revision)?.newest_summary(key.as_bytes())
    }

    /// The newest version of a key in the head, or what the body must hold to know.
    fn in_head(&self, key: &Key) -> Result<Version, Revision> {
        let head = self.head.read();
        head.at(key, NEWEST).cloned().ok_or(head.body_revision)
    }
}

impl Tables for HeadTables<'_> {
    fn group(&self) -> &GroupState {
        self.group
    }

    fn group_mut(&mut self) -> &mut GroupState {
        self.group
    }

    fn latest(&self, key: &Key) -> Result<Option<Version>, StateError> {
        let version = match self.in_head(key) {
            Ok(version) => Some(version),
            Err(Revision::ZERO) => None,
            Err(body_revision) => {
                let mut view = self.view.borrow_mut();
                let view = view.covering(body_revision)?;
                match view.newest(key.as_bytes())? {
                    Some(state) => Some(view.version(state)?),
                    None => None,
                }
            }
        };
        Ok(version.filter(|it| self.is_visible(it.mod_revision, it.live.is_some())))
    }

    fn latest_summary(&self, key: &Key) -> Result<Option<Summary>, StateError> {
        let (in_head, body_revision) = {
            let head = self.head.read();
            (head.summary(key), head.body_revision)
        };
        let summary = match in_head {
            Some(summary) => Some(summary),
            None => self.summary_in_body(key, body_revision)?,
        };
        Ok(summary.filter(|it| self.is_visible(it.mod_revision, it.live.is_some())))
    }

    fn scan_latest(&self, range: &KeyRange, limit: usize) -> Result<Vec<KeyValue>, StateError> {
        let mut entries = Vec::new();
        if limit == 0 {
            return Ok(entries);
        }
        let span = Span {
            range: range.clone(),
            order: ScanOrder::Forward,
            at: NEWEST,
            with_values: true,
            keys: limit,
        };
        scan(self.head, &mut self.view.borrow_mut(), span, &mut |entry| {
            entries.push(entry);
            entries.len() < limit
        })?;
        Ok(entries)
    }

    fn changed_after(
        &self,
        range: &KeyRange,
        revision: Revision,
    ) -> Result<Option<(Key, Revision)>, StateError> {
        let (in_head, body_revision) = {
            let head = self.head.read();
            (head.changed_after(range, revision), head.body_revision)
        };
        if range.is_empty() || revision >= body_revision {
            return Ok(in_head);
        }
        let mut view = self.view.borrow_mut();
        let in_body = changed::changed_after(view.covering(body_revision)?, range, revision)?;
        Ok(match (in_head, in_body) {
            // For one key the head's change is the newer one.
            (Some(head), Some(body)) if body.0 < head.0 => Some(body),
            (Some(head), _) => Some(head),
            (None, body) => body,
        })
    }

    fn leased(&self, lease: LeaseId, limit: usize) -> Result<Vec<Key>, StateError> {
        loop {
            let body_revision = self.head.read().body_revision;
            let mut view = self.view.borrow_mut();
            let (in_body, seen) = match body_revision {
                Revision::ZERO => (Vec::new(), Revision::ZERO),
                _ => {
                    let view = view.covering(body_revision)?;
                    (view.leased(lease)?, view.revision)
                }
            };
            let head = self.head.read();
            // A flush that has ended since took from the head what the view does not hold.
            if head.body_revision <= seen {
                return Ok(head.leased(lease, in_body).into_iter().take(limit).collect());
            }
        }
    }

    fn commit(
        &mut self,
        revision: Revision,
        changes: BTreeMap<Key, Option<Live>>,
    ) -> Result<(), StateError> {
        self.head.write().active.commit(revision, changes);
        Ok(())
    }

    fn compact(&mut self, _horizon: Revision) -> Result<(), StateError> {
        // The registers carry the horizon to the body, which removes what lies below it after the
        // next flush.
        Ok(())
    }
}

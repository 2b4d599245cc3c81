//! A range as it was at one revision, read in pages.

use aspen_core::{Consistency, KeyRange, KeyValue, Revision, ScanOrder, ScanPage, ScanRequest};
use aspen_core::{Operation, OperationResult, Projection, ReadRequest, WriteCommand};

use super::Context;
use super::attempt::check_entry;
use super::fate::Written;
use crate::check::Violation;

/// Entries that existed at one revision.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// The revision.
    pub(super) revision: Revision,
    /// What was found, in the order of keys.
    pub(super) entries: Vec<KeyValue>,
}

impl Context {
    /// Reads a whole range page by page, thinking between pages; `None` when the store could not
    /// serve one of them.
    pub(super) async fn scan(
        &self,
        mut request: ScanRequest,
    ) -> Result<Option<Snapshot>, Violation> {
        let (mut revision, mut entries) = (Revision::ZERO, Vec::new());
        loop {
            let Some(page) = self.page(request.clone()).await? else { return Ok(None) };
            check_page(&request, &page)?;
            (revision, request.cursor) = (revision.max(page.revision), page.cursor);
            entries.extend(page.entries);
            if request.cursor.is_none() {
                break;
            }
            self.think().await;
        }
        if request.order == ScanOrder::Reverse {
            entries.reverse();
        }
        Ok(Some(Snapshot { revision, entries }))
    }

    /// Reads a whole range in one of several ways, all of which see one revision. The range must
    /// hold fewer keys than a page.
    pub(super) async fn observe(
        &self,
        range: &KeyRange,
        consistency: Consistency,
    ) -> Result<Option<Snapshot>, Violation> {
        if consistency == Consistency::Linearizable && self.random.one_in(4) {
            return self.scan_in_transaction(range).await;
        }
        let limit = u32::try_from(2 + self.random.below(16)).unwrap_or(2);
        let order = match self.random.one_in(2) {
            true => ScanOrder::Forward,
            false => ScanOrder::Reverse,
        };
        let whole = ScanRequest { consistency, order, ..ScanRequest::new(range.clone()) };
        match self.random.one_in(2) {
            true => self.scan(ScanRequest { limit, ..whole }).await,
            false => self.scan(whole).await,
        }
    }

    async fn scan_in_transaction(&self, range: &KeyRange) -> Result<Option<Snapshot>, Violation> {
        let limit = aspen_core::SCAN_RESULTS_DEFAULT;
        let operations = vec![Operation::Scan { range: range.clone(), limit }];
        let Written::Done(outcome) = self.write(WriteCommand::Batch { operations }).await? else {
            return Ok(None);
        };
        match outcome.results.into_iter().next() {
            Some(OperationResult::Scan { entries, more: false }) => {
                Ok(Some(Snapshot { revision: outcome.revision, entries }))
            }
            other => {
                let detail = format!("one scan of few keys was answered with {other:?}");
                Err(Violation::new("each operation is answered in its kind", detail))
            }
        }
    }

    /// Reads keys at one revision; those that are absent are left out.
    pub(super) async fn read_present(
        &self,
        request: ReadRequest,
    ) -> Result<Option<Snapshot>, Violation> {
        let reply = self.read(request).await?;
        Ok(reply.map(|reply| Snapshot {
            revision: reply.revision,
            entries: reply.values.into_iter().flatten().collect(),
        }))
    }
}

/// What holds for any page.
pub(super) fn check_page(request: &ScanRequest, page: &ScanPage) -> Result<(), Violation> {
    let broken = |detail: String| {
        let detail = format!("{detail}; {request:?}; {page:?}");
        Err(Violation::new("a page answers what was asked", detail))
    };
    if let Consistency::AtRevision(revision) = request.effective_consistency()
        && page.revision != revision
    {
        return broken(format!("asked for revision {revision}"));
    }
    let range = request.remaining_range();
    if page.entries.iter().any(|entry| !range.contains(entry.key.as_bytes())) {
        return broken("an entry lies outside what remains of the range".to_owned());
    }
    let ordered = |pair: &[KeyValue]| match request.order {
        ScanOrder::Forward => pair[0].key < pair[1].key,
        ScanOrder::Reverse => pair[0].key > pair[1].key,
    };
    if !page.entries.windows(2).all(ordered) {
        return broken("entries are out of order".to_owned());
    }
    let counted = request.projection == Projection::CountOnly;
    if page.entries.len() > request.limit as usize
        || (!counted && page.count != page.entries.len() as u64)
    {
        return broken("the number of entries is wrong".to_owned());
    }
    if let Some(cursor) = &page.cursor
        && (cursor.revision, Some(&cursor.last_key))
            != (page.revision, page.entries.last().map(|entry| &entry.key))
    {
        return broken("the cursor does not stand at the page's end".to_owned());
    }
    page.entries.iter().try_for_each(|entry| check_entry(entry, page.revision))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aspen_core::{Cursor, Key, Value};

    fn entry(name: &str) -> KeyValue {
        KeyValue {
            key: Key::try_from(name).unwrap(),
            value: Value::default(),
            version: 1,
            create_revision: Revision::new(1),
            mod_revision: Revision::new(1),
            lease: None,
        }
    }

    fn page(names: &[&str], cursor: Option<&str>) -> ScanPage {
        let revision = Revision::new(5);
        let cursor = cursor.map(|name| Cursor::new(revision, entry(name).key));
        let entries: Vec<_> = names.iter().map(|name| entry(name)).collect();
        ScanPage { revision, count: entries.len() as u64, entries, cursor }
    }

    fn judged(order: ScanOrder, page: &ScanPage) -> bool {
        let range = KeyRange::half_open("a", "d");
        check_page(&ScanRequest { order, limit: 3, ..ScanRequest::new(range) }, page).is_ok()
    }

    #[test]
    fn pages_that_break_their_form_are_found() {
        let forward = |names: &[&str], cursor| judged(ScanOrder::Forward, &page(names, cursor));
        assert!(forward(&["a", "b"], Some("b")) && forward(&[], None));
        assert!(!forward(&["b", "a"], None), "out of order");
        assert!(!forward(&["a", "a"], None), "repeated");
        assert!(!forward(&["a", "d"], None), "outside the range");
        assert!(!forward(&["a", "aa", "b", "c"], None), "more than asked for");
        assert!(!forward(&["a", "b"], Some("a")), "the cursor would repeat an entry");
        assert!(!forward(&[], Some("a")), "a cursor after nothing");
        assert!(judged(ScanOrder::Reverse, &page(&["b", "a"], None)));
        assert!(!judged(ScanOrder::Reverse, &page(&["a", "b"], None)));
        let miscounted = ScanPage { count: 3, ..page(&["a"], None) };
        assert!(!judged(ScanOrder::Forward, &miscounted));
    }
}

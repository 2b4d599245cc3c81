//! A page of a scan while it is filled.

use aspen_core::{
    Cursor, KeyValue, Projection, Revision, SCAN_BYTES_MAX, SCAN_RESULTS_MAX, ScanPage, ScanRequest,
};

/// Collects a scan's results until its page is complete: the one place that knows limits,
/// projection and cursor.
///
/// Push the existing keys of [`ScanRequest::remaining_range`] in the scan's order until
/// [`PageBuilder::push`] answers `true` or there are no more. A page that is exactly full stays
/// open until one more key is pushed, because only that key shows that a next page exists; it is
/// not kept.
#[derive(Debug)]
pub struct PageBuilder {
    projection: Projection,
    limit: usize,
    bytes_max: usize,
    bytes: usize,
    counted: u64,
    entries: Vec<KeyValue>,
    more: bool,
}

impl PageBuilder {
    /// An empty page for the request. Limits outside their bounds are moved to the nearest bound.
    pub fn new(request: &ScanRequest) -> Self {
        Self {
            projection: request.projection,
            limit: request.limit.clamp(1, SCAN_RESULTS_MAX) as usize,
            bytes_max: request.bytes_max.clamp(1, SCAN_BYTES_MAX),
            bytes: 0,
            counted: 0,
            entries: Vec::new(),
            more: false,
        }
    }

    /// Whether values matter; when not, keys may be pushed with an empty value instead.
    pub fn wants_values(&self) -> bool {
        self.projection == Projection::Full
    }

    /// Whether only the number of keys matters; it may then be given by [`PageBuilder::count`].
    pub fn is_count(&self) -> bool {
        self.projection == Projection::CountOnly
    }

    /// Whether the page holds all it may: one more key will complete it.
    pub fn is_full(&self) -> bool {
        !self.is_count() && (self.entries.len() >= self.limit || self.bytes >= self.bytes_max)
    }

    /// How many more keys to fetch at most: those that fit, and the one that shows there are more.
    pub fn keys_wanted(&self) -> usize {
        match self.is_count() {
            true => usize::MAX,
            false => self.limit.saturating_sub(self.entries.len()) + 1,
        }
    }

    /// Adds the next existing key. Answers whether the page is complete, so that the scan stops.
    pub fn push(&mut self, mut entry: KeyValue) -> bool {
        if self.is_count() {
            self.counted += 1;
            return false;
        }
        if self.is_full() {
            self.more = true;
            return true;
        }
        if self.projection == Projection::KeysOnly {
            entry.value = Default::default();
        }
        self.bytes += entry.len_bytes();
        self.entries.push(entry);
        false
    }

    /// Counts keys of a count without building them.
    pub fn count(&mut self, keys: u64) {
        self.counted += keys;
    }

    /// The page, read at `revision`. Its cursor is there exactly when more results are.
    pub fn finish(self, revision: Revision) -> ScanPage {
        let last_key = self.entries.last().map(|entry| entry.key.clone());
        let cursor = last_key.filter(|_| self.more).map(|last_key| Cursor::new(revision, last_key));
        let count = self.counted + self.entries.len() as u64;
        ScanPage { revision, entries: self.entries, count, cursor }
    }
}

#[cfg(test)]
mod tests {
    use aspen_core::{Key, KeyRange, Value};

    use super::*;

    fn entry(key: &str, value: &str) -> KeyValue {
        KeyValue {
            key: Key::try_from(key).unwrap(),
            value: Value::try_from(value).unwrap(),
            version: 1,
            create_revision: Revision::new(1),
            mod_revision: Revision::new(1),
            lease: None,
        }
    }

    fn page(request: &ScanRequest, keys: &[&str]) -> ScanPage {
        let mut builder = PageBuilder::new(request);
        for key in keys {
            if builder.push(entry(key, "value")) {
                break;
            }
        }
        builder.finish(Revision::new(9))
    }

    #[test]
    fn a_full_page_has_a_cursor_only_when_more_follows() {
        let request = ScanRequest { limit: 2, ..ScanRequest::new(KeyRange::all()) };
        assert_eq!(page(&request, &["a", "b"]).cursor, None);
        let cut = page(&request, &["a", "b", "c"]);
        assert_eq!(cut.count, 2);
        let cursor = cut.cursor.unwrap();
        assert_eq!((cursor.revision.get(), cursor.last_key.as_bytes()), (9, &b"b"[..]));
    }

    #[test]
    fn the_result_that_reaches_the_byte_limit_is_the_last() {
        let request = ScanRequest { bytes_max: 7, ..ScanRequest::new(KeyRange::all()) };
        assert_eq!(page(&request, &["a", "b", "c"]).count, 2);
        let keys_only = ScanRequest { projection: Projection::KeysOnly, ..request };
        let keys = page(&keys_only, &["a", "b", "c"]);
        assert_eq!((keys.count, keys.entries[0].value.len()), (3, 0));
    }

    #[test]
    fn a_count_knows_no_limits() {
        let request = ScanRequest {
            limit: 1,
            projection: Projection::CountOnly,
            ..ScanRequest::new(KeyRange::all())
        };
        let count = page(&request, &["a", "b", "c"]);
        assert_eq!((count.count, count.entries.len(), count.cursor), (3, 0, None));
    }
}

//! What to read of a range.

use aspen_core::{
    InvalidRequest, Key, KeyRange, SCAN_RESULTS_DEFAULT, SCAN_RESULTS_MAX, ScanOrder, Value,
};

/// Reads a range: in which order, how much of it, and in pages of which size.
///
/// ```
/// use aspen_core::KeyRange;
/// use aspen_txn::RangeQuery;
///
/// let newest_ten = RangeQuery::new(KeyRange::prefix("log/")).reverse().limit(10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeQuery {
    pub(crate) range: KeyRange,
    pub(crate) order: ScanOrder,
    pub(crate) limit: Option<u64>,
    pub(crate) page: u32,
}

impl RangeQuery {
    /// All keys of a range in key order, [`SCAN_RESULTS_DEFAULT`] to a page.
    pub fn new(range: KeyRange) -> Self {
        Self { range, order: ScanOrder::Forward, limit: None, page: SCAN_RESULTS_DEFAULT }
    }

    /// From the last key to the first.
    pub fn reverse(self) -> Self {
        Self { order: ScanOrder::Reverse, ..self }
    }

    /// No more than this many results, over all pages.
    pub fn limit(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Up to this many results to a page, `1..=SCAN_RESULTS_MAX`. Larger pages take fewer round
    /// trips; smaller ones conflict with less when the reader stops early.
    pub fn page(self, page: u32) -> Self {
        Self { page, ..self }
    }

    /// How many results the next page may hold.
    pub(crate) fn wanted(&self) -> usize {
        let limit = self.limit.unwrap_or(u64::MAX);
        usize::try_from(limit.min(u64::from(self.page))).unwrap_or(usize::MAX)
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidRequest> {
        match self.page {
            0 => Err(InvalidRequest::new("a page must hold at least 1 result")),
            page if page > SCAN_RESULTS_MAX => {
                let (most, page) = (SCAN_RESULTS_MAX as usize, page as usize);
                Err(InvalidRequest::limit("SCAN_RESULTS_MAX", most, page))
            }
            _ => Ok(()),
        }
    }

    /// The query for what `read` results leave of the range; `None` when nothing is left.
    pub(crate) fn rest(&self, range: KeyRange, read: usize) -> Option<Self> {
        let limit = self.limit.map(|limit| limit.saturating_sub(read as u64));
        let done = range.is_empty() || limit == Some(0);
        (!done).then(|| Self { range, limit, ..self.clone() })
    }
}

impl From<KeyRange> for RangeQuery {
    fn from(range: KeyRange) -> Self {
        Self::new(range)
    }
}

/// Part of a range. A page can be shorter than asked for, and even empty, and not be the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangePage<T = (Key, Value)> {
    /// The results in the query's order: keys and values in a transaction, with their counters in a
    /// [`crate::Snapshot`].
    pub entries: Vec<T>,
    /// What to read next; `None` when the range, or the query's limit, is exhausted.
    pub next: Option<RangeQuery>,
}

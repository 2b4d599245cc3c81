//! Reading a range: what is stored, with the pending writes laid over it.

use aspen_core::{
    Key, KeyRange, KeyValue, Revision, SCAN_BYTES_MAX, SCAN_RESULTS_MAX, ScanOrder, ScanPage,
    ScanRequest, Value,
};

use crate::TransactionError;
use crate::inner::{Inner, Isolation};
use crate::range_query::{RangePage, RangeQuery};
use crate::range_set::RangeSet;
use crate::write_set::{Pending, WriteSet};

/// How many parts the observed range is split into around what the transaction itself has written.
/// What stays in beyond that can conflict with more, never with less.
const OBSERVED_PARTS_MAX: usize = 64;

/// A page while it is put together. `rest` is what of the range is not read yet.
struct PageRead {
    order: ScanOrder,
    rest: KeyRange,
    wanted: usize,
    entries: Vec<(Key, Value)>,
    bytes: usize,
}

impl Inner {
    /// Reads a page of a range.
    pub(crate) async fn range_page(
        &self,
        query: RangeQuery,
        isolation: Isolation,
    ) -> Result<RangePage, TransactionError> {
        query.validate()?;
        let mut page = PageRead::new(&query);
        while !page.is_full() {
            let Some(segment) = self.next_segment(&page).await? else { break };
            let stored = match &segment.unknown {
                Some(range) => Some(self.stored().scan(page.request(range, &segment)).await?),
                None => None,
            };
            let observed = page.observed(&segment, stored.as_ref());
            let mut state = self.open()?;
            if state.writes.first_unreadable(&observed, page.order, segment.revision).is_some() {
                // Written while the page was on its way.
                continue;
            }
            let stored = stored.map_or_else(Vec::new, |page| page.entries);
            let observed = page.merge(&state.writes, observed, stored);
            if isolation == Isolation::Serializable {
                for part in dependent_parts(&state.writes, &observed) {
                    state.reads.add_range(part);
                }
            }
        }
        let next = query.rest(page.rest, page.entries.len());
        Ok(RangePage { entries: page.entries, next })
    }

    /// What to read next; `None` when the page must end before something that is unreadable.
    async fn next_segment(&self, page: &PageRead) -> Result<Option<Segment>, TransactionError> {
        let has_stamped_keys = self.open()?.writes.has_stamped_keys();
        let revision = match has_stamped_keys {
            true => self.stored().revision_of(&page.rest).await?,
            false => Revision::ZERO,
        };
        let state = self.open()?;
        let unreadable = state.writes.first_unreadable(&page.rest, page.order, revision);
        let readable = match unreadable {
            None => page.rest.clone(),
            Some(part) => match before(&page.rest, &part, page.order) {
                readable if !readable.is_empty() => readable,
                _ if page.entries.is_empty() => {
                    return Err(TransactionError::Unreadable { range: part });
                }
                _ => return Ok(None),
            },
        };
        let mut gaps = state.writes.uncleared(&readable);
        let unknown = match page.order {
            ScanOrder::Forward => (!gaps.is_empty()).then(|| gaps.swap_remove(0)),
            ScanOrder::Reverse => gaps.pop(),
        };
        let hidden = unknown.as_ref().map_or(0, |range| {
            state.writes.points_in(range).take(SCAN_RESULTS_MAX as usize).count()
        });
        Ok(Some(Segment { readable, unknown, hidden, revision }))
    }
}

/// The next part of a range to read.
struct Segment {
    /// What can be read before the commit: a beginning of the rest.
    readable: KeyRange,
    /// The first part of it that depends on what is stored.
    unknown: Option<KeyRange>,
    /// How many stored keys of that part pending writes may hide.
    hidden: usize,
    /// The read revision, when it was needed to tell what is readable.
    revision: Revision,
}

impl PageRead {
    fn new(query: &RangeQuery) -> Self {
        Self {
            order: query.order,
            rest: query.range.clone(),
            wanted: query.wanted(),
            entries: Vec::new(),
            bytes: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.rest.is_empty() || self.entries.len() >= self.wanted || self.bytes >= SCAN_BYTES_MAX
    }

    fn request(&self, range: &KeyRange, segment: &Segment) -> ScanRequest {
        let wanted = self.wanted - self.entries.len() + segment.hidden;
        let limit = u32::try_from(wanted).unwrap_or(u32::MAX).min(SCAN_RESULTS_MAX);
        ScanRequest { order: self.order, limit, ..ScanRequest::new(range.clone()) }
    }

    /// The part of the segment that is known with the page: to the page's last key when there is
    /// more, otherwise to the end of what was asked for.
    fn observed(&self, segment: &Segment, page: Option<&ScanPage>) -> KeyRange {
        let (Some(unknown), Some(page)) = (&segment.unknown, page) else {
            return segment.readable.clone();
        };
        let last = page.entries.last().filter(|_| page.cursor.is_some());
        match last {
            Some(last) => through(&segment.readable, &last.key, self.order),
            None => match self.order {
                ScanOrder::Forward => {
                    KeyRange { end: unknown.end.clone(), ..segment.readable.clone() }
                }
                ScanOrder::Reverse => {
                    KeyRange { start: unknown.start.clone(), ..segment.readable.clone() }
                }
            },
        }
    }

    /// Adds the results of an observed range; answers how much of it was needed, which is all of it
    /// or up to the last result of a full page.
    fn merge(&mut self, writes: &WriteSet, observed: KeyRange, stored: Vec<KeyValue>) -> KeyRange {
        for (key, value) in merged(writes, &observed, stored, self.order) {
            self.bytes += key.as_bytes().len() + value.len();
            self.entries.push((key, value));
            if self.is_full() {
                break;
            }
        }
        let needed = match self.entries.last().filter(|_| self.is_full()) {
            Some((last, _)) => through(&observed, last, self.order),
            None => observed,
        };
        self.rest = after(&self.rest, &needed, self.order);
        needed
    }
}

/// The keys that a reader sees in a range of which everything stored is given, in order.
fn merged(
    writes: &WriteSet,
    range: &KeyRange,
    stored: Vec<KeyValue>,
    order: ScanOrder,
) -> impl Iterator<Item = (Key, Value)> {
    let mut stored = stored.into_iter().peekable();
    let points = writes.points_in(range);
    let mut points: Box<dyn Iterator<Item = (&Key, &Pending)>> = match order {
        ScanOrder::Forward => Box::new(points),
        ScanOrder::Reverse => Box::new(points.rev()),
    };
    let mut point = points.next();
    std::iter::from_fn(move || {
        loop {
            let first_stored = stored.peek().map(|entry| &entry.key);
            let stored_first = match (first_stored, point) {
                (None, None) => return None,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(stored), Some((written, _))) => match order {
                    ScanOrder::Forward => stored < written,
                    ScanOrder::Reverse => stored > written,
                },
            };
            if stored_first {
                let entry = stored.next()?;
                if range.contains(entry.key.as_bytes()) && !writes.is_cleared(&entry.key) {
                    return Some((entry.key, entry.value));
                }
                continue;
            }
            let (key, pending) = point?;
            point = points.next();
            let below = stored.next_if(|entry| entry.key == *key).map(|entry| entry.value);
            if let Some(value) = pending.value_over(below) {
                return Some((key.clone(), value));
            }
        }
    })
}

/// The parts of an observed range whose content depends on what is stored.
fn dependent_parts(writes: &WriteSet, observed: &KeyRange) -> Vec<KeyRange> {
    let parts = writes.uncleared(observed);
    let mut own = RangeSet::default();
    for (key, pending) in writes.points_in(observed).take(OBSERVED_PARTS_MAX) {
        if pending.is_independent() {
            own.insert(KeyRange::single(key));
        }
    }
    let precise: Vec<KeyRange> = parts.iter().flat_map(|part| own.gaps(part)).collect();
    match (precise.len(), parts.len()) {
        (0..=OBSERVED_PARTS_MAX, _) => precise,
        (_, 0..=OBSERVED_PARTS_MAX) => parts,
        _ => vec![observed.clone()],
    }
}

/// What of `range` comes before `part`, in order.
fn before(range: &KeyRange, part: &KeyRange, order: ScanOrder) -> KeyRange {
    match order {
        ScanOrder::Forward => KeyRange { end: Some(part.start.clone()), ..range.clone() },
        ScanOrder::Reverse => match &part.end {
            Some(end) => KeyRange { start: end.clone(), ..range.clone() },
            None => KeyRange::half_open(range.start.clone(), range.start.clone()),
        },
    }
}

/// What of `range` comes up to and with `key`, in order.
fn through(range: &KeyRange, key: &Key, order: ScanOrder) -> KeyRange {
    match order {
        ScanOrder::Forward => KeyRange { end: Some(key.successor()), ..range.clone() },
        ScanOrder::Reverse => KeyRange { start: key.clone().into_bytes(), ..range.clone() },
    }
}

/// What of `range` comes after `part`, in order.
fn after(range: &KeyRange, part: &KeyRange, order: ScanOrder) -> KeyRange {
    match order {
        ScanOrder::Forward => match &part.end {
            Some(end) => KeyRange { start: end.clone(), ..range.clone() },
            None => KeyRange::half_open(range.start.clone(), range.start.clone()),
        },
        ScanOrder::Reverse => KeyRange { end: Some(part.start.clone()), ..range.clone() },
    }
}

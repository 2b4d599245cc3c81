//! Invariant: a scan in pages is a snapshot. Writers insert and delete keys, one by one and by
//! range, while scanners page through; all pages of a scan show the state at the revision of its
//! first page, that state is the one that acknowledged writes lead to, and a linearizable scan is
//! not older than any write acknowledged before it began. Each key has a twin that every
//! transaction changes with it, as an index does with its table: no scan sees one without the
//! other.
//! After FoundationDB's `ConsistencyCheck` and index workloads, and Jepsen's tests of monotonic and
//! predicate reads.

use std::collections::BTreeMap;

use aspen_core::{
    Consistency, Key, KeyValue, Operation, Projection, Revision, ScanOrder, ScanRequest, Value,
    WriteCommand,
};
use async_trait::async_trait;
use parking_lot::Mutex;

use super::facts::{Change, Facts};
use super::key_space::{KeySpace, text};
use super::runs::Runs;
use super::snapshot::{Snapshot, check_page};
use super::{Context, Workload};
use crate::check::Violation;

/// How many members may exist, each with its twin.
const MEMBERS: u64 = 20;

/// How many keys a page holds at most; some more than one, so that a scan takes several.
const PAGE_RESULTS: u64 = 9;

/// How many scans are judged once more at the end, when every acknowledgement is known.
const SCANS_KEPT_MAX: usize = 400;

/// Members, what is known of them, and some scans of them.
pub(super) struct Range {
    keys: KeySpace,
    runs: Runs,
    facts: Facts,
    scans: Mutex<Vec<Snapshot>>,
}

impl Range {
    pub(super) fn new(before: &str) -> Self {
        let keys = KeySpace::new(format!("{before}range"));
        Self { keys, runs: Runs::default(), facts: Facts::default(), scans: Mutex::default() }
    }

    fn twins(&self, member: u64) -> [Key; 2] {
        ["a", "b"].map(|side| self.keys.key(format_args!("{side}/{member:02}")))
    }

    /// The changes that give these members a value, or delete them.
    fn changes(&self, members: impl Iterator<Item = u64>, value: Option<&Value>) -> Vec<Change> {
        let twins = members.flat_map(|member| self.twins(member));
        twins.map(|key| (key, value.cloned())).collect()
    }

    async fn write(&self, context: &Context, value: Value) -> Result<(), Violation> {
        let (first, second) = (context.random.below(MEMBERS), context.random.below(MEMBERS));
        let (start, end) = (first.min(second), (first.min(second) + 5).min(MEMBERS));
        let (changes, command) = match context.random.below(8) {
            0..=3 => {
                let changes = self.changes([first, second].into_iter(), Some(&value));
                let pair = |(key, _): &Change| (key.clone(), value.clone());
                let pairs = changes.iter().map(pair).collect();
                (changes, WriteCommand::SetMulti { pairs })
            }
            4..=5 => {
                let changes = self.changes([first].into_iter(), None);
                let keys = changes.iter().map(|(key, _)| key.clone()).collect();
                (changes, WriteCommand::DeleteMulti { keys })
            }
            6 => {
                let operations = self.delete_ranges(start, end);
                (self.changes(start..end, None), WriteCommand::Batch { operations })
            }
            _ => self.replace_ranges(start, end, &value),
        };
        let ticket = self.facts.begin(changes);
        self.facts.settle(ticket, context.write(command).await?.fate())
    }

    fn delete_ranges(&self, start: u64, end: u64) -> Vec<Operation> {
        let range = |side| {
            let (start, end) = (format!("{side}/{start:02}"), format!("{side}/{end:02}"));
            Operation::DeleteRange { range: self.keys.between(start, end) }
        };
        ["a", "b"].map(range).into()
    }

    /// Deletes members and creates the first of them anew, in one transaction.
    fn replace_ranges(&self, start: u64, end: u64, value: &Value) -> (Vec<Change>, WriteCommand) {
        let mut operations = self.delete_ranges(start, end);
        let created = self.changes([start].into_iter(), Some(value));
        operations
            .extend(created.iter().map(|(key, _)| Operation::put(key.clone(), value.clone())));
        let mut changes = self.changes(start + 1..end, None);
        changes.extend(created);
        (changes, WriteCommand::Batch { operations })
    }

    /// Pages through all members, judges what it saw, and compares it with other ways to read the
    /// same revision. Answers the revision.
    async fn scan(&self, context: &Context, known: Revision) -> Result<Revision, Violation> {
        let consistency = context.any_consistency(known);
        let acknowledged = self.facts.newest();
        let limit = u32::try_from(1 + context.random.below(PAGE_RESULTS)).unwrap_or(1);
        let order = match context.random.one_in(2) {
            true => ScanOrder::Forward,
            false => ScanOrder::Reverse,
        };
        let whole = ScanRequest::new(self.keys.range(""));
        let request = ScanRequest { limit, order, consistency, ..whole };
        let Some(snapshot) = context.scan(request).await? else { return Ok(known) };
        if consistency == Consistency::Linearizable && snapshot.revision < acknowledged {
            let detail = format!("{} after {acknowledged} was acknowledged", snapshot.revision);
            return Err(Violation::new("a linearizable scan is not stale", detail));
        }
        self.judge(&snapshot)?;
        self.scan_again(context, &snapshot).await?;
        let mut scans = self.scans.lock();
        if scans.len() < SCANS_KEPT_MAX {
            scans.push(snapshot.clone());
        }
        Ok(snapshot.revision)
    }

    /// Reads the revision of a snapshot once more: its keys in one page, or their number.
    async fn scan_again(&self, context: &Context, seen: &Snapshot) -> Result<(), Violation> {
        let projection = match context.random.below(3) {
            0 => Projection::Full,
            1 => Projection::KeysOnly,
            _ => Projection::CountOnly,
        };
        let request = ScanRequest {
            consistency: Consistency::AtRevision(seen.revision),
            projection,
            ..ScanRequest::new(self.keys.range(""))
        };
        let Some(page) = context.page(request.clone()).await? else { return Ok(()) };
        check_page(&request, &page)?;
        let without_value =
            |entry: &KeyValue| KeyValue { value: Value::default(), ..entry.clone() };
        let expected = match projection {
            Projection::Full => seen.entries.clone(),
            Projection::KeysOnly => seen.entries.iter().map(without_value).collect(),
            Projection::CountOnly => Vec::new(),
        };
        if page.entries == expected && page.count == seen.entries.len() as u64 {
            return Ok(());
        }
        let detail = format!("first {:?}, then, {projection:?}, {page:?}", seen.entries);
        Err(Violation::new("a revision reads the same each time", detail))
    }

    fn judge(&self, snapshot: &Snapshot) -> Result<(), Violation> {
        let found: BTreeMap<_, _> =
            snapshot.entries.iter().map(|entry| (&entry.key, entry)).collect();
        for member in 0..MEMBERS {
            let twins = self.twins(member);
            let [one, other] = [&twins[0], &twins[1]].map(|key| found.get(key).copied());
            let state = |entry: &KeyValue| (entry.mod_revision, entry.value.clone());
            if one.map(state) != other.map(state) {
                let at = snapshot.revision;
                let detail = format!("revision {at}, member {member}: {one:?} and {other:?}");
                return Err(Violation::new("twins change together", detail));
            }
            self.facts.check(&twins[0], one, snapshot.revision)?;
        }
        match found.len() as u64 <= 2 * MEMBERS {
            true => Ok(()),
            false => Err(Violation::new("only members exist", format!("{:?}", found.keys()))),
        }
    }
}

#[async_trait]
impl Workload for Range {
    fn name(&self) -> &'static str {
        "range"
    }

    async fn prepare(&self, _: &Context) -> Result<(), Violation> {
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        let (run, mut known, mut writes) = (self.runs.next(), Revision::ZERO, 0);
        while !context.stop.is_set() {
            context.think().await;
            if context.random.one_in(3) {
                known = self.scan(&context, known).await?;
                continue;
            }
            writes += 1;
            let value = text(format_args!("{run}-{writes}"));
            self.write(&context, value).await?;
        }
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        let acknowledged = self.facts.newest();
        let last = context.surely_scan(self.keys.range("")).await?;
        if last.revision < acknowledged {
            let detail = format!("{} after {acknowledged} was acknowledged", last.revision);
            return Err(Violation::new("a linearizable scan is not stale", detail));
        }
        self.judge(&last)?;
        let scans = std::mem::take(&mut *self.scans.lock());
        scans.iter().try_for_each(|snapshot| self.judge(snapshot))
    }
}

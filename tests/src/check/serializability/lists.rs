//! What each key's list says by itself: who appended what, in which order, and who saw it.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Violation;
use crate::history::{ListOp, Outcome, TransactionHistory, TransactionRecord};

/// A read of the state before a transaction, without the transaction's own appends.
#[derive(Debug)]
pub(super) struct ExternalRead {
    /// The reader's position in the history.
    pub(super) reader: usize,
    /// How many elements it saw.
    pub(super) len: usize,
}

/// One key.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The longest list seen: the order of its elements is the order of their appends.
    pub(super) order: Vec<u64>,
    /// Who appended each element, by position in the history.
    pub(super) writers: BTreeMap<u64, usize>,
    /// Elements of transactions that took effect and that nobody saw: they follow all others.
    pub(super) unseen: Vec<u64>,
    /// The reads that surely count.
    pub(super) reads: Vec<ExternalRead>,
}

/// Every key's list.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) by_key: BTreeMap<String, List>,
    /// Whether each transaction surely took effect: it was acknowledged, or somebody saw it.
    pub(super) effective: Vec<bool>,
}

impl Lists {
    pub(super) fn of(history: &TransactionHistory) -> Result<Self, Violation> {
        let mut lists = Self::default();
        lists.add_appends(history)?;
        lists.effective =
            history.transactions.iter().map(|record| record.outcome.ok().is_some()).collect();
        let mut pending: Vec<_> =
            (0..lists.effective.len()).filter(|index| lists.effective[*index]).collect();
        // A transaction that is seen took effect, so what it saw itself counts too.
        while let Some(reader) = pending.pop() {
            for seen in lists.add_reads(history, reader)? {
                if !lists.effective[seen] {
                    lists.effective[seen] = true;
                    pending.push(seen);
                }
            }
        }
        lists.add_unseen();
        Ok(lists)
    }

    fn add_appends(&mut self, history: &TransactionHistory) -> Result<(), Violation> {
        for (index, record) in history.transactions.iter().enumerate() {
            for operation in &record.operations {
                let ListOp::Append { key, element } = operation else { continue };
                let list = self.by_key.entry(key.clone()).or_default();
                if list.writers.insert(*element, index).is_some() {
                    let detail =
                        format!("{element} is appended to {key:?} twice, last by {record}");
                    return Err(Violation::new("well-formed history", detail));
                }
            }
        }
        Ok(())
    }

    /// Adds a transaction's reads; answers whom it saw.
    fn add_reads(
        &mut self,
        history: &TransactionHistory,
        reader: usize,
    ) -> Result<BTreeSet<usize>, Violation> {
        let record = &history.transactions[reader];
        let mut seen = BTreeSet::new();
        for (key, elements) in external_reads(record)? {
            let list = self.by_key.entry(key.to_owned()).or_default();
            seen.extend(list.check_elements(history, record, key, elements)?);
            list.extend(record, key, elements)?;
            list.reads.push(ExternalRead { reader, len: elements.len() });
        }
        Ok(seen)
    }

    fn add_unseen(&mut self) {
        for list in self.by_key.values_mut() {
            let seen: BTreeSet<_> = list.order.iter().collect();
            let effective = list.writers.iter().filter(|(_, writer)| self.effective[**writer]);
            let unseen = effective.filter(|(element, _)| !seen.contains(element));
            list.unseen = unseen.map(|(element, _)| *element).collect();
        }
    }
}

impl List {
    fn check_elements(
        &self,
        history: &TransactionHistory,
        reader: &TransactionRecord,
        key: &str,
        elements: &[u64],
    ) -> Result<BTreeSet<usize>, Violation> {
        let anomaly = |name: &str, what: String| {
            Err(Violation::new(name, format!("{what} in {key:?}: {reader}")))
        };
        let (mut there, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for element in elements {
            if !there.insert(*element) {
                return anomaly("duplicate elements", format!("{element} is there twice"));
            }
            let Some(writer) = self.writers.get(element) else {
                return anomaly("garbage read", format!("nobody appended {element}"));
            };
            let record = &history.transactions[*writer];
            if record.outcome == Outcome::Failed {
                return anomaly("G1a: aborted read", format!("{element} failed ({record})"));
            }
            if std::ptr::eq(record, reader) {
                return anomaly("internal consistency", format!("{element} is not yet appended"));
            }
            seen.insert(*writer);
        }
        if let Some(writer) =
            seen.iter().find(|writer| self.reorders(history, **writer, key, elements))
        {
            let writer = &history.transactions[*writer];
            return anomaly("incompatible orders", format!("the appends of {writer} are swapped"));
        }
        let last = elements.last().and_then(|last| self.writers.get(last));
        match last.map(|writer| &history.transactions[*writer]) {
            Some(writer) if missing_own(writer, key, &there) => {
                anomaly("G1b: intermediate read", format!("half of {writer} is seen"))
            }
            _ => Ok(seen),
        }
    }

    /// Whether a transaction's own appends are in another order than it made them in.
    fn reorders(
        &self,
        history: &TransactionHistory,
        writer: usize,
        key: &str,
        elements: &[u64],
    ) -> bool {
        let there = elements.iter().filter(|element| self.writers.get(element) == Some(&writer));
        let appended = appends_to(&history.transactions[writer], key);
        !there.eq(appended.filter(|element| elements.contains(element)))
    }

    /// Any two lists of a key agree as far as the shorter goes.
    fn extend(
        &mut self,
        reader: &TransactionRecord,
        key: &str,
        elements: &[u64],
    ) -> Result<(), Violation> {
        let shared = self.order.len().min(elements.len());
        if self.order[..shared] != elements[..shared] {
            let detail = format!("{key:?} was also seen as {:?}: {reader}", self.order);
            return Err(Violation::new("incompatible orders", detail));
        }
        self.order.extend(&elements[shared..]);
        Ok(())
    }
}

fn missing_own(writer: &TransactionRecord, key: &str, there: &BTreeSet<u64>) -> bool {
    appends_to(writer, key).any(|element| !there.contains(element))
}

fn appends_to<'h>(record: &'h TransactionRecord, key: &str) -> impl Iterator<Item = &'h u64> {
    record.operations.iter().filter_map(move |operation| match operation {
        ListOp::Append { key: other, element } if other == key => Some(element),
        _ => None,
    })
}

/// What a transaction saw of each key before its own appends. Its reads must agree with each other
/// and show its own appends so far.
fn external_reads(record: &TransactionRecord) -> Result<BTreeMap<&str, &[u64]>, Violation> {
    let mut before: BTreeMap<&str, &[u64]> = BTreeMap::new();
    let mut own: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for operation in &record.operations {
        match operation {
            ListOp::Append { key, element } => own.entry(key).or_default().push(*element),
            ListOp::Read { elements: None, .. } => (),
            ListOp::Read { key, elements: Some(elements) } => {
                let own = own.get(key.as_str()).map_or(&[][..], Vec::as_slice);
                let external = elements.strip_suffix(own);
                let known = external.map(|external| *before.entry(key).or_insert(external));
                if external.is_none() || known != external {
                    let detail = format!("a read of {key:?} contradicts earlier steps: {record}");
                    return Err(Violation::new("internal consistency", detail));
                }
            }
        }
    }
    Ok(before)
}

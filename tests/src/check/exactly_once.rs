//! Invariant: what was acknowledged happened once, whatever was retried; what failed did not
//! happen; what is unknown happened once or not at all.
//!
//! Source: "exactly-once" as linearizable remote calls in Lee, Park, Kejriwal, Matsushita and
//! Ousterhout, "Implementing Linearizability at Large Scale and Low Latency" (RIFL, SOSP 2015).
//! Lists show what idempotent writes hide: a retry that was applied twice.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::history::{ListOp, TransactionHistory, TransactionRecord, precedes};

const INVARIANT: &str = "exactly once";

/// Whether the lists found at the end, when nothing ran any more, hold every acknowledged element
/// once, every unknown one at most once, nothing else, and keep the order of real time. A key that
/// is not among `found` had an empty list.
///
/// # Errors
/// The violation names the key and the elements.
pub fn check_lists(
    history: &TransactionHistory,
    found: &BTreeMap<String, Vec<u64>>,
) -> Result<(), Violation> {
    let mut appends: BTreeMap<&str, BTreeMap<u64, &TransactionRecord>> = BTreeMap::new();
    for transaction in &history.transactions {
        for operation in &transaction.operations {
            if let ListOp::Append { key, element } = operation {
                appends.entry(key).or_default().insert(*element, transaction);
            }
        }
    }
    let keys: BTreeSet<&str> =
        appends.keys().copied().chain(found.keys().map(String::as_str)).collect();
    let nothing = BTreeMap::new();
    keys.into_iter().try_for_each(|key| {
        let list = found.get(key).map_or(&[][..], Vec::as_slice);
        let appends = appends.get(key).unwrap_or(&nothing);
        let problem = misplaced(appends, list).or_else(|| reordered(appends, list));
        let problem = problem.or_else(|| lost(appends, list));
        problem.map_or(Ok(()), |problem| {
            Err(Violation::new(INVARIANT, format!("list {key:?}: {problem}")))
        })
    })
}

type Appends<'h> = BTreeMap<u64, &'h TransactionRecord>;

/// An element that is there twice, or should not be there.
fn misplaced(appends: &Appends<'_>, list: &[u64]) -> Option<String> {
    let mut seen = BTreeSet::new();
    list.iter().find_map(|element| match appends.get(element) {
        _ if !seen.insert(element) => Some(format!("{element} is there twice")),
        None => Some(format!("{element} was appended by nobody")),
        Some(transaction) if transaction.outcome.is_failed() => {
            Some(format!("{element} is there, but failed: {transaction}"))
        }
        Some(_) => None,
    })
}

/// Two elements in the wrong order: the later one was acknowledged before the other was asked for.
fn reordered(appends: &Appends<'_>, list: &[u64]) -> Option<String> {
    // Of those before a place, the one asked for last: what comes there must not precede it.
    let mut latest: Option<(u64, &TransactionRecord)> = None;
    list.iter().find_map(|element| {
        let transaction = appends.get(element)?;
        let acknowledged = transaction.outcome.ok().and(transaction.returned);
        let wrong = latest.filter(|(_, earlier)| precedes(acknowledged, earlier.invoked));
        if latest.is_none_or(|(_, last)| last.invoked < transaction.invoked) {
            latest = Some((*element, transaction));
        }
        wrong.map(|(first, _)| {
            format!("{first} lies before {element}, but was asked for after its acknowledgement")
        })
    })
}

fn lost(appends: &Appends<'_>, list: &[u64]) -> Option<String> {
    let there: BTreeSet<_> = list.iter().collect();
    let mut acknowledged = appends.iter().filter(|(_, by)| by.outcome.ok().is_some());
    let (element, by) = acknowledged.find(|(element, _)| !there.contains(element))?;
    Some(format!("{element} was acknowledged and is lost: {by}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{ClientId, Outcome, TransactionRecorder};

    /// Appends 1 (acknowledged), then 2 and 3 side by side (acknowledged), 4 (unknown), 5 (failed).
    fn history() -> TransactionHistory {
        let recorder = TransactionRecorder::new();
        let append = |element| recorder.invoke(ClientId(1), vec![ListOp::append("l", element)]);
        let done = |element| Outcome::Ok(vec![ListOp::append("l", element)]);
        let first = append(1);
        recorder.complete(first, done(1));
        let (second, third) = (append(2), append(3));
        recorder.complete(third, done(3));
        recorder.complete(second, done(2));
        let (fourth, fifth) = (append(4), append(5));
        recorder.complete(fourth, Outcome::Unknown);
        recorder.complete(fifth, Outcome::Failed);
        recorder.history()
    }

    fn list(found: &[u64]) -> Result<(), String> {
        let found = BTreeMap::from([("l".to_owned(), found.to_vec())]);
        check_lists(&history(), &found).map_err(|violation| violation.detail)
    }

    #[test]
    fn a_list_may_differ_only_where_nobody_knows() {
        for found in [&[1, 2, 3][..], &[1, 3, 2], &[1, 3, 2, 4]] {
            list(found).unwrap();
        }
    }

    #[test]
    fn each_way_to_be_wrong_is_named() {
        assert!(list(&[1, 2, 3, 2]).unwrap_err().contains("2 is there twice"));
        assert!(list(&[1, 2, 3, 9]).unwrap_err().contains("appended by nobody"));
        assert!(list(&[1, 2, 3, 5]).unwrap_err().contains("failed"));
        assert!(list(&[1, 2]).unwrap_err().contains("3 was acknowledged and is lost"));
        assert!(list(&[]).unwrap_err().contains("lost"));
        assert!(list(&[2, 1, 3]).unwrap_err().contains("2 lies before 1"));
        // Asked for after 1, 2 and 3 were acknowledged, although it never was itself.
        assert!(list(&[1, 4, 2, 3]).unwrap_err().contains("4 lies before 2"));
        check_lists(&history(), &BTreeMap::new()).unwrap_err();
    }
}

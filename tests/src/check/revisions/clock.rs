//! Revisions follow real time.

use aspen_core::Revision;

use super::writers::Writers;
use crate::check::Violation;
use crate::history::{Freshness, RevisionHistory, RevisionTransaction};

/// The greatest revision that anybody had been told at some moment, and who had.
type Known<'h> = Option<(Revision, &'h RevisionTransaction)>;

/// Walks through all events in order with the greatest revision known so far.
pub(super) fn check(history: &RevisionHistory, writers: &Writers<'_>) -> Result<(), Violation> {
    let mut known: Known<'_> = None;
    let mut floors = vec![None; history.transactions.len()];
    for (_, is_return, index) in events(history) {
        let transaction = &history.transactions[index];
        if !is_return {
            floors[index] = known;
        } else if let Some(outcome) = transaction.outcome.ok() {
            follows(transaction, outcome.revision, floors[index])?;
            if known.is_none_or(|(greatest, _)| greatest < outcome.revision) {
                known = Some((outcome.revision, transaction));
            }
        }
    }
    inferred_follow(history, writers, &floors)
}

/// Every invocation and return: when, which, and of whom.
fn events(history: &RevisionHistory) -> Vec<(u64, bool, usize)> {
    let all = history.transactions.iter().enumerate();
    let mut events: Vec<_> = all
        .flat_map(|(index, transaction)| {
            let returned = transaction.returned.map(|moment| (moment.order, true, index));
            std::iter::once((transaction.invoked.order, false, index)).chain(returned)
        })
        .collect();
    events.sort_unstable();
    events
}

fn follows(
    transaction: &RevisionTransaction,
    revision: Revision,
    floor: Known<'_>,
) -> Result<(), Violation> {
    let Some((greatest, earlier)) = floor else { return Ok(()) };
    let fits = match (transaction.writes.is_empty(), transaction.freshness) {
        (false, _) => revision > greatest,
        (true, Freshness::Linearizable) => revision >= greatest,
        (true, Freshness::Stale) => true,
    };
    let invariant = match earlier.client == transaction.client {
        true => "a client's revisions never go back",
        false => "revisions follow real time",
    };
    let detail =
        || format!("{transaction}: got revision {revision}, begun after the answer to {earlier}");
    if fits { Ok(()) } else { Err(Violation::new(invariant, detail())) }
}

/// The revisions that only readers know of follow real time too.
fn inferred_follow(
    history: &RevisionHistory,
    writers: &Writers<'_>,
    floors: &[Known<'_>],
) -> Result<(), Violation> {
    let positions = history.transactions.iter().zip(floors);
    let floors: std::collections::BTreeMap<_, _> =
        positions.map(|(transaction, floor)| (transaction.id, *floor)).collect();
    let inferred = writers.by_revision.iter().filter(|(_, writer)| writer.outcome.is_unknown());
    for (revision, writer) in inferred {
        follows(writer, *revision, floors.get(&writer.id).copied().flatten())?;
    }
    Ok(())
}

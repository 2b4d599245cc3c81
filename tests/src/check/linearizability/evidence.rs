//! The smallest piece of a history that still cannot be linearized.

use std::collections::BTreeSet;

use super::register::{Effect, Entry, Value};
use super::search::{Stop, search};

/// How many steps the reduction may take: it makes evidence readable, and is worth no more.
const REDUCTION_STEPS_MAX: u64 = 2_000_000;

/// How many operations a violation shows.
const SHOWN_OPERATIONS_MAX: usize = 40;

/// How many writers of the value that the last operation saw are named.
const NAMED_WRITERS_MAX: usize = 3;

/// Describes why the entries up to the return of `failed` cannot be linearized.
pub(super) fn describe(
    key: &str,
    entries: &[Entry<'_>],
    failed: usize,
    values: &BTreeSet<Value>,
) -> String {
    let mut piece = reduce(prefix(entries, failed));
    // What may still run comes first, and is left out first.
    piece.sort_by_key(|entry| (entry.returned, entry.invoked));
    let omitted = piece.len().saturating_sub(SHOWN_OPERATIONS_MAX);
    let mut lines = vec![format!(
        "no order of these operations on key {key:?} ({} in all) gives the answers that clients got:",
        entries.len()
    )];
    lines.extend((omitted > 0).then(|| format!("  ({omitted} more left out)")));
    lines.extend(piece.iter().skip(omitted).map(shown));
    lines.extend(writers(entries, &entries[failed], &piece));
    let last = entries[failed].operation;
    let values: Vec<_> = values.iter().map(ToString::to_string).collect();
    let values = values.join(", ");
    let (client, op) = (last.client, last.op);
    lines.push(format!("when {client} returned from its {op}, the value could only be: {values}"));
    lines.join("\n")
}

fn shown(entry: &Entry<'_>) -> String {
    format!("  {}", entry.operation)
}

/// Who wrote what the last operation saw, where the piece does not show it.
fn writers(entries: &[Entry<'_>], last: &Entry<'_>, piece: &[Entry<'_>]) -> Vec<String> {
    let Some(needed) = last.effect.needed() else { return Vec::new() };
    let writers = entries.iter().filter(|entry| entry.effect.written() == Some(needed));
    let in_piece = |entry: &&Entry<'_>| piece.iter().any(|other| other.invoked == entry.invoked);
    let mut lines: Vec<_> = writers.filter(|e| !in_piece(e)).map(shown).collect();
    let omitted = lines.len().saturating_sub(NAMED_WRITERS_MAX);
    lines.drain(..omitted);
    if !lines.is_empty() {
        lines.insert(0, format!("{needed} was written by:"));
    }
    lines
}

/// What was invoked before `failed` returned. What had not returned by then may not have happened.
fn prefix<'h>(entries: &[Entry<'h>], failed: usize) -> Vec<Entry<'h>> {
    let Some(end) = entries[failed].returned else { return entries.to_vec() };
    let invoked = entries.iter().filter(|entry| entry.invoked <= end);
    let cut = invoked.map(|entry| Entry {
        returned: entry.returned.filter(|returned| *returned <= end),
        ..*entry
    });
    cut.filter(|entry| entry.returned.is_some() || !entry.effect.is_observer()).collect()
}

/// Leaves out entries while what remains cannot be linearized either. Only such are left out that
/// no order could need, so the remaining piece fails for a reason that holds in the whole.
fn reduce(mut entries: Vec<Entry<'_>>) -> Vec<Entry<'_>> {
    let mut steps = REDUCTION_STEPS_MAX;
    // The write at the cut shows what became of the value before it.
    let mut kept = None;
    loop {
        let before = entries.len();
        if let Some((cut, rest)) = from_last_cut(&entries, &mut steps) {
            (kept, entries) = (Some(cut), rest);
        }
        entries = without(entries, &mut steps, observers);
        entries = without(entries, &mut steps, |entries| unneeded_writes(entries, kept));
        if entries.len() == before {
            return entries;
        }
    }
}

fn indexes(entries: &[Entry<'_>], wanted: impl Fn(&Entry<'_>) -> bool) -> Vec<usize> {
    let all = entries.iter().enumerate();
    all.filter(|(_, entry)| wanted(entry)).map(|(index, _)| index).collect()
}

/// Observers change nothing: an order of all is an order of the rest.
fn observers(entries: &[Entry<'_>]) -> Vec<usize> {
    indexes(entries, |entry| entry.effect.is_observer())
}

/// Writes whose value no remaining answer needs: in an order of all, only a blind write can follow
/// them. One that merely excludes a value may depend on any write.
fn unneeded_writes(entries: &[Entry<'_>], kept: Option<u64>) -> Vec<usize> {
    if entries.iter().any(|entry| matches!(entry.effect, Effect::IsNot(_))) {
        return Vec::new();
    }
    let needed: BTreeSet<_> = entries.iter().filter_map(|entry| entry.effect.needed()).collect();
    let unneeded = |value: Value| !needed.contains(&value);
    indexes(entries, |entry| {
        entry.effect.written().is_some_and(unneeded) && Some(entry.invoked) != kept
    })
}

/// The last cut from which on what remains still fails, and what remains.
fn from_last_cut<'h>(entries: &[Entry<'h>], steps: &mut u64) -> Option<(u64, Vec<Entry<'h>>)> {
    cuts(entries).into_iter().find_map(|cut| {
        let after = |entry: &&Entry<'_>| entry.returned.is_none_or(|returned| returned > cut);
        let rest: Vec<_> = entries.iter().filter(after).copied().collect();
        (rest.len() < entries.len() && fails(&rest, steps)).then_some((cut, rest))
    })
}

/// The invocations, last first, of blind writes that nothing overlaps which depends on the value
/// before. What returned earlier has no say in what comes after.
fn cuts(entries: &[Entry<'_>]) -> Vec<u64> {
    let dependent = entries.iter().filter(|entry| !matches!(entry.effect, Effect::Write(_)));
    let mut intervals: Vec<_> =
        dependent.filter_map(|entry| Some((entry.invoked, entry.returned?))).collect();
    intervals.sort_unstable();
    let blind = entries.iter().filter(|entry| matches!(entry.effect, Effect::Write(_)));
    let mut blind: Vec<_> =
        blind.filter_map(|entry| Some((entry.invoked, entry.returned?))).collect();
    blind.sort_unstable_by(|one, two| two.cmp(one));
    let overlaps = |(invoked, returned): (u64, u64)| {
        let begun = intervals.partition_point(|(other, _)| *other < returned);
        intervals[..begun].iter().any(|(_, other)| *other > invoked)
    };
    blind.into_iter().filter(|write| !overlaps(*write)).map(|(invoked, _)| invoked).collect()
}

fn fails(entries: &[Entry<'_>], steps: &mut u64) -> bool {
    matches!(search(entries, steps), Err(Stop::NotLinearizable { .. }))
}

/// Tries to leave out the candidates, all at first, then in ever smaller pieces (Zeller and
/// Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002).
fn without<'h>(
    mut entries: Vec<Entry<'h>>,
    steps: &mut u64,
    candidates: impl Fn(&[Entry<'h>]) -> Vec<usize>,
) -> Vec<Entry<'h>> {
    let mut size = candidates(&entries).len();
    while size > 0 {
        let mut end = candidates(&entries).len();
        while end > 0 {
            let start = end.saturating_sub(size);
            let chunk: BTreeSet<_> = candidates(&entries)[start..end].iter().copied().collect();
            let kept = entries.iter().enumerate().filter(|(index, _)| !chunk.contains(index));
            let rest: Vec<_> = kept.map(|(_, entry)| *entry).collect();
            if fails(&rest, steps) {
                entries = rest;
            }
            end = start;
        }
        size /= 2;
    }
    entries
}

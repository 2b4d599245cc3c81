//! The operations that run at one moment of the search.

use std::collections::BTreeMap;

use super::super::frontier::{Configuration, Kinds};
use super::super::register::{Effect, Value};

/// An operation that may take its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// What it does.
    pub(super) effect: Effect,
    /// Its number, among those of its kind of outcome.
    pub(super) number: usize,
    /// Whether it may never return.
    pub(super) unknown: bool,
}

impl Candidate {
    fn swaps(&self, expected: Value) -> bool {
        matches!(self.effect, Effect::Swap(needed, _) if needed == expected)
    }
}

/// Of operations that may never return and do the same, one is as good as another, and the first
/// can be placed wherever a later one can.
fn first_allowed(
    numbers: &[usize],
    effect: Effect,
    allowed: impl Fn(&Candidate) -> bool,
) -> Option<Candidate> {
    let candidates =
        numbers.iter().map(|number| Candidate { effect, number: *number, unknown: true });
    candidates.into_iter().find(|candidate| allowed(candidate))
}

/// Everything invoked that has not returned.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// What will return, by number; `None` is free.
    certain: Vec<Option<Effect>>,
    /// The numbers of running entries.
    numbers: BTreeMap<usize, usize>,
    kinds: Kinds,
    /// The numbers of the blind writes that may never return, by what they write. Numbers follow
    /// the order of invocation.
    unknown_writes: BTreeMap<Value, Vec<usize>>,
    /// The numbers of the swaps that may never return, by what they need and write.
    unknown_swaps: BTreeMap<Value, BTreeMap<Value, Vec<usize>>>,
    unknown_count: usize,
}

impl Running {
    pub(super) fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    pub(super) fn insert_unknown(&mut self, effect: Effect) {
        let same = match effect {
            Effect::Write(value) => self.unknown_writes.entry(value).or_default(),
            Effect::Swap(needed, value) => {
                self.unknown_swaps.entry(needed).or_default().entry(value).or_default()
            }
            Effect::Is(_) | Effect::IsNot(_) => return,
        };
        same.push(self.unknown_count);
        self.unknown_count += 1;
    }

    /// Numbers an entry that will return.
    pub(super) fn insert(&mut self, entry: usize, effect: Effect) -> usize {
        let free = self.certain.iter().position(Option::is_none);
        let number = free.unwrap_or_else(|| {
            self.certain.push(None);
            self.certain.len() - 1
        });
        self.certain[number] = Some(effect);
        self.numbers.insert(entry, number);
        self.kinds.insert(number, effect);
        number
    }

    /// A running entry that will return.
    pub(super) fn number(&self, entry: usize) -> Candidate {
        let number = self.numbers[&entry];
        let effect = self.certain[number].expect("a running entry has a number until it returns");
        Candidate { effect, number, unknown: false }
    }

    /// Forgets an entry that has returned.
    pub(super) fn remove(&mut self, number: usize) {
        self.kinds.remove(number);
        self.certain[number] = None;
        self.numbers.retain(|_, other| *other != number);
    }

    /// The blind writes that `allowed` lets take a place and from which the target may follow: at
    /// once, or by way of swaps. A blind target follows only from itself.
    pub(super) fn blind_writes(
        &self,
        target: Candidate,
        allowed: impl Fn(&Candidate) -> bool,
    ) -> Vec<Candidate> {
        if matches!(target.effect, Effect::Write(_)) {
            return Some(target).filter(|target| allowed(target)).into_iter().collect();
        }
        let leads = |value| target.effect.after(value).is_some() || self.is_needed_by_swap(value);
        let certain = self.certain().filter(|candidate| match candidate.effect {
            Effect::Write(value) => leads(value) && allowed(candidate),
            _ => false,
        });
        let unknown = self.unknown_writes.iter().filter(|(value, _)| leads(**value));
        let unknown = unknown
            .filter_map(|(value, numbers)| first_allowed(numbers, Effect::Write(*value), &allowed));
        certain.chain(unknown).collect()
    }

    /// The swaps that `allowed` lets take a place where the register holds this value.
    pub(super) fn swaps_from(
        &self,
        needed: Value,
        allowed: impl Fn(&Candidate) -> bool,
    ) -> Vec<Candidate> {
        let certain = self.certain().filter(|candidate| candidate.swaps(needed));
        let certain = certain.filter(|candidate| allowed(candidate));
        let unknown = self.unknown_swaps.get(&needed).into_iter().flatten();
        let unknown = unknown.filter_map(|(value, numbers)| {
            first_allowed(numbers, Effect::Swap(needed, *value), &allowed)
        });
        certain.chain(unknown).collect()
    }

    fn certain(&self) -> impl Iterator<Item = Candidate> {
        let certain = self.certain.iter().enumerate();
        certain.filter_map(|(number, effect)| {
            effect.map(|effect| Candidate { effect, number, unknown: false })
        })
    }

    fn is_needed_by_swap(&self, value: Value) -> bool {
        self.unknown_swaps.contains_key(&value) || self.certain().any(|other| other.swaps(value))
    }

    /// Notes that a blind write took its place now: all that runs and has none can be placed just
    /// before it.
    pub(super) fn hide(&self, configuration: &mut Configuration) {
        for Candidate { number, .. } in self.certain() {
            if !configuration.done.contains(number) {
                configuration.hideable.insert(number);
            }
        }
        configuration.hideable_unknown = self.unknown_count;
    }

    /// Places every running observer that the value satisfies; before the last blind write only
    /// those that ran then.
    pub(super) fn place_observers(&self, configuration: &mut Configuration, hidden: bool) {
        for Candidate { effect, number, .. } in self.certain() {
            let allowed = !hidden || configuration.hideable.contains(number);
            if effect.is_observer() && allowed && effect.after(configuration.value).is_some() {
                configuration.place(number);
            }
        }
    }
}

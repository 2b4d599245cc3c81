//! The states that the search holds at one moment.

use std::collections::BTreeMap;

use super::bits::Bits;
use super::register::{Effect, Value};

/// One way in which everything so far can have happened.
///
/// Operations that will surely return are numbered apart from those that may never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Configuration {
    /// The register's value.
    pub(super) value: Value,
    /// The running operations that have their place.
    pub(super) done: Bits,
    /// Of those that have none, the ones that ran when the last blind write took its place. They
    /// can still be placed just before it, where that write hides what they leave behind.
    pub(super) hideable: Bits,
    /// The operations of unknown outcome that have happened.
    pub(super) spent: Bits,
    /// How many operations of unknown outcome had been invoked by that last blind write: those of
    /// smaller number can be placed before it.
    pub(super) hideable_unknown: usize,
}

impl Configuration {
    /// Gives a running operation its place.
    pub(super) fn place(&mut self, number: usize) {
        self.done.insert(number);
        self.hideable.remove(number);
    }

    /// Without the operation of this number, which has returned.
    pub(super) fn released(mut self, number: usize) -> Self {
        self.done.remove(number);
        self.hideable.remove(number);
        self
    }

    /// Whether every continuation of `other` is one of this: it has used up less of what may help,
    /// owes nothing more, and can hide as much.
    fn covers(&self, other: &Self, kinds: &Kinds) -> bool {
        let words = [&self.done, &self.hideable, &other.done, &other.hideable].map(Bits::words);
        self.value == other.value
            && self.hideable_unknown >= other.hideable_unknown
            && self.spent.is_subset(&other.spent)
            && (0..words.into_iter().max().unwrap_or(0))
                .all(|index| self.word_covers(other, kinds, index))
    }

    fn word_covers(&self, other: &Self, kinds: &Kinds, index: usize) -> bool {
        let (our_done, our_hideable) = (self.done.word(index), self.hideable.word(index));
        let (done, hideable) = (other.done.word(index), other.hideable.word(index));
        let (observers, blind) = (kinds.observers.word(index), kinds.blind.word(index));
        // An observer that is placed owes nothing and costs nothing.
        let owed = (done & !our_done) | (hideable & !(our_done | our_hideable));
        // A blind write that can be hidden is as good as one that was placed.
        let lost = (done & !(our_done | our_hideable))
            | (hideable & !our_hideable)
            | (!done & !hideable & our_done);
        let differ = (done ^ our_done) | (hideable & !our_hideable);
        owed & observers == 0 && lost & blind == 0 && differ & !observers & !blind == 0
    }
}

/// The numbers of running operations by what they do; the rest are swaps.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds {
    observers: Bits,
    blind: Bits,
}

impl Kinds {
    pub(super) fn insert(&mut self, number: usize, effect: Effect) {
        match effect {
            Effect::Is(_) | Effect::IsNot(_) => self.observers.insert(number),
            Effect::Write(_) => self.blind.insert(number),
            Effect::Swap(..) => (),
        }
    }

    pub(super) fn remove(&mut self, number: usize) {
        self.observers.remove(number);
        self.blind.remove(number);
    }
}

/// Configurations of which none covers another.
#[derive(Debug, Default)]
pub(super) struct Frontier(BTreeMap<Value, Vec<Configuration>>);

impl Frontier {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Configuration> {
        self.0.values().flatten()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Changes all configurations; those of one value must be changed alike.
    pub(super) fn update(&mut self, change: impl FnMut(&mut Configuration)) {
        self.0.values_mut().flatten().for_each(change);
    }

    /// Adds a configuration unless one that is held covers it, and drops those that it covers.
    /// Answers whether it was added; `compared` counts the configurations it was compared with.
    pub(super) fn insert(
        &mut self,
        added: Configuration,
        kinds: &Kinds,
        compared: &mut u64,
    ) -> bool {
        let same_value = self.0.entry(added.value).or_default();
        *compared += same_value.len() as u64;
        if same_value.iter().any(|held| held.covers(&added, kinds)) {
            return false;
        }
        same_value.retain(|held| !added.covers(held, kinds));
        same_value.push(added);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBSERVER: usize = 0;
    const BLIND: usize = 1;
    const SWAP: usize = 2;

    fn kinds() -> Kinds {
        let mut kinds = Kinds::default();
        kinds.insert(OBSERVER, Effect::Is(Value::Absent));
        kinds.insert(BLIND, Effect::Write(Value::Absent));
        kinds.insert(SWAP, Effect::Swap(Value::Absent, Value::Is(1)));
        kinds
    }

    fn bits(members: &[usize]) -> Bits {
        let mut bits = Bits::default();
        members.iter().for_each(|bit| bits.insert(*bit));
        bits
    }

    /// The states of one operation, and which of them covers which.
    fn covering(number: usize) -> Vec<(&'static str, &'static str)> {
        let fresh = Configuration::default();
        let hideable = Configuration { hideable: bits(&[number]), ..fresh.clone() };
        let done = Configuration { done: bits(&[number]), ..fresh.clone() };
        let states = [("fresh", fresh), ("hideable", hideable), ("done", done)];
        let mut covering = Vec::new();
        for (one, first) in &states {
            let covered = states.iter().filter(|(_, second)| first.covers(second, &kinds()));
            covering.extend(covered.map(|(two, _)| (*one, *two)).filter(|(one, two)| one != two));
        }
        covering
    }

    #[test]
    fn covering_follows_what_an_operation_still_owes() {
        let observer = [("hideable", "fresh"), ("done", "fresh"), ("done", "hideable")];
        assert_eq!(covering(OBSERVER), observer);
        assert_eq!(covering(BLIND), [("hideable", "fresh"), ("hideable", "done")]);
        assert_eq!(covering(SWAP), [("hideable", "fresh")]);
    }

    #[test]
    fn only_what_nothing_covers_is_kept() {
        let mut frontier = Frontier::default();
        for spent in [&[1, 2][..], &[1], &[1, 70], &[70]] {
            let added = Configuration { spent: bits(spent), ..Configuration::default() };
            frontier.insert(added, &kinds(), &mut 0);
        }
        assert_eq!(frontier.iter().count(), 2);
    }
}

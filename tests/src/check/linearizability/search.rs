//! Just-in-time linearization of one register.
//!
//! The search walks through the events and holds every configuration that the answers so far allow.
//! An operation takes its place only when its return, or an operation that needs it, makes it
//! (Lowe, "Testing for linearizability", 2017: just-in-time linearization). Configurations that are
//! equal, or that another covers, are kept once: that is Lowe's memoisation of the search of Wing
//! and Gong ("Testing and Verifying Concurrent Objects", 1993).
//!
//! A register allows more, so that writes which many clients run at once cost no product of cases:
//! * An observer takes its place as soon as the value fits: it changes nothing.
//! * A blind write *hides* what was there. A group that starts with a blind write, with the swaps
//!   and observers that follow from it, can be placed just before another blind write without a
//!   trace. So only the last such group of a moment is ever placed in the open; the others wait,
//!   and are hidden before the last blind write when one of them has to return.

mod running;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::frontier::{Configuration, Frontier, Kinds};
use super::register::{Effect, Entry, Value};
use running::{Candidate, Running};

/// Why a search stopped before the end.
#[derive(Debug)]
pub(super) enum Stop {
    /// No configuration allows this entry's answer; it names the values that the register could
    /// hold when the entry returned.
    NotLinearizable { entry: usize, values: BTreeSet<Value> },
    /// The budget is spent.
    OutOfSteps,
}

/// Seeks an order of `entries` that agrees with every answer, in at most `steps` steps, which it
/// counts down.
pub(super) fn search(entries: &[Entry<'_>], steps: &mut u64) -> Result<(), Stop> {
    let mut search = Search::new(entries, steps);
    for (_, event) in events(entries) {
        match event {
            Event::Invoke(entry) => search.begin(entry),
            Event::Return(entry) => search.end(entry)?,
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Invoke(usize),
    Return(usize),
}

fn events(entries: &[Entry<'_>]) -> Vec<(u64, Event)> {
    let invocations = entries.iter().enumerate().map(|(i, e)| (e.invoked, Event::Invoke(i)));
    let returns = entries.iter().enumerate();
    let returns = returns.filter_map(|(i, e)| Some((e.returned?, Event::Return(i))));
    let mut events: Vec<_> = invocations.chain(returns).collect();
    events.sort_unstable();
    events
}

/// A configuration on the way to one return.
#[derive(Clone)]
struct Step {
    configuration: Configuration,
    place: Place,
}

/// Where the next operation on the way is placed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Now, after what was there.
    Now,
    /// Now, after a blind write that was placed on this way.
    Overwritten,
    /// Before the last blind write, after which the register held, and holds, this value.
    Hidden(Value),
}

/// The steps to go on from, those with the fewest writes first: longer ways to the same are covered
/// by shorter ones.
#[derive(Default)]
struct Open {
    steps: VecDeque<Step>,
    known: BTreeMap<Place, Frontier>,
}

impl Open {
    fn push(&mut self, step: Step, kinds: &Kinds, compared: &mut u64) {
        let known = self.known.entry(step.place).or_default();
        if known.insert(step.configuration.clone(), kinds, compared) {
            self.steps.push_back(step);
        }
    }
}

struct Search<'e> {
    entries: &'e [Entry<'e>],
    steps: &'e mut u64,
    frontier: Frontier,
    running: Running,
}

impl<'e> Search<'e> {
    fn new(entries: &'e [Entry<'e>], steps: &'e mut u64) -> Self {
        let running = Running::default();
        let mut frontier = Frontier::default();
        frontier.insert(Configuration::default(), running.kinds(), &mut 0);
        Self { entries, steps, frontier, running }
    }

    fn begin(&mut self, entry: usize) {
        let effect = self.entries[entry].effect;
        if self.entries[entry].returned.is_none() {
            self.running.insert_unknown(effect);
            return;
        }
        let number = self.running.insert(entry, effect);
        if effect.is_observer() {
            self.frontier.update(|held| {
                if effect.after(held.value).is_some() {
                    held.place(number);
                }
            });
        }
    }

    /// Finds every configuration in which the entry has its place.
    fn end(&mut self, entry: usize) -> Result<(), Stop> {
        let target = self.running.number(entry);
        let (mut next, mut values) = (Frontier::default(), BTreeSet::new());
        let mut open = Open::default();
        let starts = self.starts(target);
        self.extend(&mut open, starts)?;
        while let Some(step) = open.steps.pop_front() {
            let placed = step.configuration.done.contains(target.number);
            if placed {
                let mut compared = 1;
                next.insert(step.arrived(target.number), self.running.kinds(), &mut compared);
                self.spend(compared)?;
            } else {
                step.add_value(&mut values);
            }
            let successors = self.successors(&step, target, placed);
            self.extend(&mut open, successors)?;
        }
        if next.is_empty() {
            return Err(Stop::NotLinearizable { entry, values });
        }
        self.frontier = next;
        self.running.remove(target.number);
        Ok(())
    }

    fn extend(&mut self, open: &mut Open, steps: Vec<Step>) -> Result<(), Stop> {
        let mut spent = steps.len() as u64;
        for step in steps {
            open.push(step, self.running.kinds(), &mut spent);
        }
        self.spend(spent)
    }

    fn spend(&mut self, steps: u64) -> Result<(), Stop> {
        *self.steps = self.steps.checked_sub(steps).ok_or(Stop::OutOfSteps)?;
        Ok(())
    }

    /// Every held configuration, to go on from now, and every way to begin a hidden group that may
    /// give the target its place.
    fn starts(&self, target: Candidate) -> Vec<Step> {
        let mut starts = Vec::new();
        for held in self.frontier.iter() {
            starts.push(Step { configuration: held.clone(), place: Place::Now });
            if held.hideable.contains(target.number) {
                let hidden = Step { configuration: held.clone(), place: Place::Hidden(held.value) };
                starts.extend(self.blind_writes(&hidden, target));
            }
        }
        starts
    }

    /// Every way to place one more write on the way to the target, or, when it is placed, in its
    /// hidden group: nothing can join that group later.
    fn successors(&self, step: &Step, target: Candidate, placed: bool) -> Vec<Step> {
        match step.place {
            Place::Now | Place::Overwritten if placed => Vec::new(),
            Place::Now => {
                let mut successors = self.swaps(step);
                successors.extend(self.blind_writes(step, target));
                successors
            }
            Place::Overwritten | Place::Hidden(_) => self.swaps(step),
        }
    }

    fn swaps(&self, step: &Step) -> Vec<Step> {
        let value = step.configuration.value;
        let swaps = self.running.swaps_from(value, |candidate| step.allows(candidate));
        swaps.into_iter().map(|swap| self.after(step, swap)).collect()
    }

    fn blind_writes(&self, step: &Step, target: Candidate) -> Vec<Step> {
        let writes = self.running.blind_writes(target, |candidate| step.allows(candidate));
        writes.into_iter().map(|write| self.after(step, write)).collect()
    }

    fn after(&self, step: &Step, write: Candidate) -> Step {
        let mut next = step.clone();
        let configuration = &mut next.configuration;
        configuration.value = write.effect.written().unwrap_or(configuration.value);
        match write.unknown {
            true => configuration.spent.insert(write.number),
            false => configuration.place(write.number),
        }
        if step.place == Place::Now && matches!(write.effect, Effect::Write(_)) {
            next.place = Place::Overwritten;
            self.running.hide(configuration);
        }
        let hidden = matches!(step.place, Place::Hidden(_));
        self.running.place_observers(configuration, hidden);
        next
    }
}

impl Step {
    /// Whether a write is still to be had where this step places it.
    fn allows(&self, write: &Candidate) -> bool {
        let configuration = &self.configuration;
        let hidden = matches!(self.place, Place::Hidden(_));
        match (write.unknown, hidden) {
            (true, true) if write.number >= configuration.hideable_unknown => false,
            (true, _) => !configuration.spent.contains(write.number),
            (false, true) => configuration.hideable.contains(write.number),
            (false, false) => !configuration.done.contains(write.number),
        }
    }

    /// The configuration once the entry of this number has returned.
    fn arrived(&self, number: usize) -> Configuration {
        let mut configuration = self.configuration.clone().released(number);
        if let Place::Hidden(value) = self.place {
            configuration.value = value;
        }
        configuration
    }

    fn add_value(&self, values: &mut BTreeSet<Value>) {
        if !matches!(self.place, Place::Hidden(_)) {
            values.insert(self.configuration.value);
        }
    }
}

//! Rare but legal paths, and planted bugs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use madsim::rand::Rng;
use madsim::runtime::Handle;

thread_local! {
    static FAULTS: RefCell<Faults> = const { RefCell::new(Faults::new()) };
}

struct Faults {
    /// How likely a point that is met for the first time is taken up, and how likely one that was
    /// taken up happens each time.
    everywhere: Option<(f64, f64)>,
    /// How likely each known point happens.
    points: BTreeMap<String, f64>,
    happened: BTreeMap<String, u64>,
    planted: BTreeSet<String>,
    reached: BTreeMap<String, u64>,
}

impl Faults {
    const fn new() -> Self {
        Self {
            everywhere: None,
            points: BTreeMap::new(),
            happened: BTreeMap::new(),
            planted: BTreeSet::new(),
            reached: BTreeMap::new(),
        }
    }

    fn chance(&mut self, point: &str) -> f64 {
        if let Some(chance) = self.points.get(point) {
            return *chance;
        }
        let Some((taken_up, happens)) = self.everywhere else { return 0.0 };
        let chance = if draw(taken_up) { happens } else { 0.0 };
        self.points.insert(point.to_owned(), chance);
        chance
    }
}

fn draw(chance: f64) -> bool {
    chance > 0.0 && madsim::rand::thread_rng().gen_bool(chance.min(1.0))
}

/// From now on every point that no call has named is taken up with the first probability, once
/// and for all; those taken up happen each time with the second. So that every run has another mix.
pub fn buggify_everywhere(taken_up: f64, happens: f64) {
    FAULTS.with_borrow_mut(|faults| faults.everywhere = Some((taken_up, happens)));
}

/// Sets how likely one point happens.
pub fn buggify_at(point: &str, chance: f64) {
    FAULTS.with_borrow_mut(|faults| faults.points.insert(point.to_owned(), chance));
}

/// No point happens from now on: for the time in which the system must heal.
pub fn buggify_nowhere() {
    FAULTS.with_borrow_mut(|faults| {
        faults.everywhere = None;
        faults.points.clear();
    });
}

/// How often each point has happened.
pub fn buggified() -> BTreeMap<String, u64> {
    FAULTS.with_borrow(|faults| faults.happened.clone())
}

/// Plants a bug, from now on.
pub fn plant(bug: &str) {
    FAULTS.with_borrow_mut(|faults| faults.planted.insert(bug.to_owned()));
}

/// Takes a planted bug out.
pub fn uproot(bug: &str) {
    FAULTS.with_borrow_mut(|faults| faults.planted.remove(bug));
}

/// How often each planted bug was asked for: a bug that no code asks for is misspelt.
pub fn planted_reached() -> BTreeMap<String, u64> {
    FAULTS.with_borrow(|faults| faults.reached.clone())
}

/// Whether something rare but legal shall happen at this point.
pub fn buggify(point: &'static str) -> bool {
    if Handle::try_current().is_err() {
        return false;
    }
    FAULTS.with_borrow_mut(|faults| {
        let chance = faults.chance(point);
        let happens = draw(chance);
        if happens {
            *faults.happened.entry(point.to_owned()).or_default() += 1;
        }
        happens
    })
}

/// Whether this bug is planted.
pub fn planted(bug: &'static str) -> bool {
    FAULTS.with_borrow_mut(|faults| {
        let planted = faults.planted.contains(bug);
        if planted {
            *faults.reached.entry(bug.to_owned()).or_default() += 1;
        }
        planted
    })
}

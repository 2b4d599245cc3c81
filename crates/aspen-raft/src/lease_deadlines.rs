//! When leases end, as the leader of one term knows it. No clock is read here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aspen_core::runtime::Instant;
use aspen_core::{ExpiringLease, LeaseId};
use aspen_storage::{LeaseChange, LeaseTerms};

/// Every lease with its deadline.
#[derive(Debug, Default)]
pub(crate) struct LeaseDeadlines {
    leases: BTreeMap<LeaseId, Held>,
    /// Deadlines of leases that are not ending, soonest first.
    by_deadline: BTreeSet<(Instant, LeaseId)>,
    /// Leases whose end was, or is about to be, proposed. Nothing keeps them alive any more: the
    /// proposal may take effect.
    ending: BTreeSet<LeaseId>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    terms: LeaseTerms,
    deadline: Instant,
}

impl Held {
    fn new(terms: LeaseTerms, from: Instant) -> Self {
        Self { terms, deadline: from + Duration::from_millis(terms.ttl_ms) }
    }
}

/// What came of a wish to keep a lease alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It has its whole TTL again, in milliseconds.
    Alive(u64),
    /// Its end is being decided.
    Ending,
    /// There is none.
    Gone,
}

impl LeaseDeadlines {
    /// Takes note of leases that were granted or have ended.
    pub(crate) fn learn(&mut self, changes: Vec<LeaseChange>, now: Instant) {
        for (lease, terms) in changes {
            match terms {
                Some(terms) => self.granted(lease, terms, now),
                None => self.ended(lease),
            }
        }
    }

    /// Takes note of all leases there are. Those that are known keep their deadlines, others have
    /// their whole TTL from `now` on.
    pub(crate) fn load(&mut self, leases: Vec<(LeaseId, LeaseTerms)>, now: Instant) {
        let present: BTreeSet<LeaseId> = leases.iter().map(|(lease, _)| *lease).collect();
        let known: Vec<LeaseId> = self.leases.keys().copied().collect();
        known.into_iter().filter(|it| !present.contains(it)).for_each(|it| self.ended(it));
        leases.into_iter().for_each(|(lease, terms)| self.granted(lease, terms, now));
    }

    fn granted(&mut self, lease: LeaseId, terms: LeaseTerms, now: Instant) {
        if self.leases.get(&lease).is_some_and(|held| held.terms == terms) {
            return;
        }
        self.ended(lease);
        let held = Held::new(terms, now);
        self.leases.insert(lease, held);
        self.by_deadline.insert((held.deadline, lease));
    }

    fn ended(&mut self, lease: LeaseId) {
        if let Some(held) = self.leases.remove(&lease) {
            self.by_deadline.remove(&(held.deadline, lease));
            self.ending.remove(&lease);
        }
    }

    /// Gives a lease its whole TTL from an instant on; never takes any time from it.
    pub(crate) fn keep_alive(&mut self, lease: LeaseId, from: Instant) -> Kept {
        let Some(held) = self.leases.get_mut(&lease) else { return Kept::Gone };
        if self.ending.contains(&lease) {
            return Kept::Ending;
        }
        let kept = Held::new(held.terms, from);
        if kept.deadline > held.deadline {
            self.by_deadline.remove(&(held.deadline, lease));
            self.by_deadline.insert((kept.deadline, lease));
            *held = kept;
        }
        Kept::Alive(kept.terms.ttl_ms)
    }

    /// Leases whose end is to be proposed, at most `count_max`; from here on nothing keeps them
    /// alive. Those proposed before come first, since their end is not certain yet.
    pub(crate) fn take_due(&mut self, now: Instant, count_max: usize) -> Vec<ExpiringLease> {
        while self.ending.len() < count_max {
            match self.by_deadline.first().copied() {
                Some((deadline, lease)) if deadline <= now => {
                    self.by_deadline.pop_first();
                    self.ending.insert(lease);
                }
                _ => break,
            }
        }
        let named = |lease: &LeaseId| {
            let grant = self.leases.get(lease)?.terms.grant;
            Some(ExpiringLease { lease: *lease, grant })
        };
        self.ending.iter().take(count_max).filter_map(named).collect()
    }

    /// When the next lease ends; at once while the end of any is not certain.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        match self.ending.is_empty() {
            true => self.by_deadline.first().map(|(deadline, _)| *deadline),
            false => Some(now),
        }
    }

    /// A lease's TTL, and how long it has left.
    pub(crate) fn remaining(&self, lease: LeaseId, now: Instant) -> Option<(u64, Duration)> {
        let held = self.leases.get(&lease)?;
        let left = match self.ending.contains(&lease) {
            true => Duration::ZERO,
            false => held.deadline.saturating_duration_since(now),
        };
        Some((held.terms.ttl_ms, left))
    }

    /// Leases above an id that are not private, at most `count_max`, and whether there are more.
    pub(crate) fn list(&self, after: LeaseId, count_max: usize) -> (Vec<LeaseId>, bool) {
        let first = LeaseId::new(after.get().saturating_add(1));
        if first.is_private() {
            return (Vec::new(), false);
        }
        let mut rest = self.leases.range(first..LeaseId::PRIVATE_FIRST).map(|(lease, _)| *lease);
        let leases = rest.by_ref().take(count_max).collect();
        (leases, rest.next().is_some())
    }
}

#[cfg(test)]
mod tests;

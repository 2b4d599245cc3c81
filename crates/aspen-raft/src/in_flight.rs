//! Counts what is under way, refuses what is too much, and lets shutdown wait for the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aspen_core::runtime::wait_until;
use tokio::sync::Notify;

/// A bounded count.
#[derive(Debug)]
pub(crate) struct InFlight {
    count: AtomicUsize,
    max: usize,
    idle: Notify,
}

impl InFlight {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { count: AtomicUsize::new(0), max, idle: Notify::new() })
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Counts `amount` more until the ticket is dropped; `None` when that would pass the bound.
    pub(crate) fn enter(self: &Arc<Self>, amount: usize) -> Option<Ticket> {
        let fits = |count: usize| count.checked_add(amount).filter(|sum| *sum <= self.max);
        self.count
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fits)
            .ok()
            .map(|_| Ticket { of: self.clone(), amount })
    }

    /// Waits until nothing is under way.
    pub(crate) async fn idle(&self) {
        wait_until(&self.idle, || self.count.load(Ordering::Acquire) == 0).await;
    }
}

/// A share of an [`InFlight`] count, given back when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    of: Arc<InFlight>,
    amount: usize,
}

impl Ticket {
    /// Splits off a share of the ticket.
    pub(crate) fn take(&mut self, amount: usize) -> Self {
        let amount = amount.min(self.amount);
        self.amount -= amount;
        Self { of: self.of.clone(), amount }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.of.count.fetch_sub(self.amount, Ordering::AcqRel) == self.amount {
            self.of.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn the_bound_holds_and_tickets_come_back() {
        let in_flight = InFlight::new(3);
        let two = in_flight.enter(2).unwrap();
        assert!(in_flight.enter(2).is_none());
        let one = in_flight.enter(1).unwrap();
        drop(two);
        assert!(in_flight.enter(2).is_some());
        drop(one);
        let mut rest = in_flight.enter(3).unwrap();
        let share = rest.take(1);
        drop(rest);
        assert!(in_flight.enter(3).is_none());
        drop(share);
        in_flight.idle().await;
    }
}

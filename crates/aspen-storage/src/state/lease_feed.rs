//! How whoever keeps the deadlines of leases learns which there are.

use std::collections::BTreeMap;

use aspen_core::LeaseId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{LeaseChange, LeaseTerms};

/// How many changes wait for a slow listener before it is told to load everything instead.
const LEASE_CHANGES_WAITING_MAX: usize = 65_536;

/// Leases that were granted or have ended, for one listener. Apply feeds it, and while nobody
/// listens that costs nothing and keeps nothing.
#[derive(Debug, Default)]
pub struct LeaseFeed {
    waiting: Mutex<Waiting>,
    fed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    listening: bool,
    /// Too much has changed to be told one by one.
    everything: bool,
    /// Each lease as its last change left it.
    changes: BTreeMap<LeaseId, Option<LeaseTerms>>,
}

/// What a listener has missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseNews {
    /// It must load all leases.
    Everything,
    /// These were granted or have ended, each as its last change left it.
    Changes(Vec<LeaseChange>),
}

impl LeaseFeed {
    /// Begins to listen: changes from here on are kept. All leases are to be loaded after this.
    pub fn listen(&self) {
        *self.waiting.lock() = Waiting { listening: true, ..Waiting::default() };
    }

    /// Ends listening.
    pub fn ignore(&self) {
        *self.waiting.lock() = Waiting::default();
    }

    /// What has happened since this, or [`LeaseFeed::listen`], was last called.
    pub fn take(&self) -> LeaseNews {
        let mut waiting = self.waiting.lock();
        match std::mem::take(&mut waiting.everything) {
            true => LeaseNews::Everything,
            false => LeaseNews::Changes(std::mem::take(&mut waiting.changes).into_iter().collect()),
        }
    }

    /// Waits for news. One listener is woken, or the next that waits.
    pub async fn fed(&self) {
        self.fed.notified().await;
    }

    /// Tells of leases that were granted or have ended.
    pub(super) fn feed(&self, changes: &[LeaseChange]) {
        let mut waiting = self.waiting.lock();
        if !waiting.listening || changes.is_empty() {
            return;
        }
        waiting.changes.extend(changes.iter().copied());
        if waiting.changes.len() > LEASE_CHANGES_WAITING_MAX {
            waiting.everything = true;
        }
        if waiting.everything {
            waiting.changes.clear();
        }
        drop(waiting);
        self.fed.notify_one();
    }

    /// Tells that the whole state was replaced.
    pub(super) fn replaced(&self) {
        let mut waiting = self.waiting.lock();
        if waiting.listening {
            waiting.everything = true;
            waiting.changes.clear();
            drop(waiting);
            self.fed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: u64, grant: Option<u64>) -> LeaseChange {
        (LeaseId::new(id), grant.map(|grant| LeaseTerms { grant, ttl_ms: 1_000 }))
    }

    #[test]
    fn a_listener_hears_the_last_of_each_lease() {
        let feed = LeaseFeed::default();
        feed.feed(&[change(1, Some(0))]);
        feed.listen();
        assert_eq!(feed.take(), LeaseNews::Changes(vec![]), "nobody listened");
        feed.feed(&[change(1, None), change(2, Some(1))]);
        feed.feed(&[change(1, Some(2))]);
        assert_eq!(feed.take(), LeaseNews::Changes(vec![change(1, Some(2)), change(2, Some(1))]));
        assert_eq!(feed.take(), LeaseNews::Changes(vec![]));
    }

    #[test]
    fn a_slow_listener_loads_everything() {
        let feed = LeaseFeed::default();
        feed.listen();
        for id in 0..=LEASE_CHANGES_WAITING_MAX as u64 {
            feed.feed(&[change(id, None)]);
        }
        feed.feed(&[change(1, None)]);
        assert_eq!(feed.take(), LeaseNews::Everything);
        feed.feed(&[change(2, None)]);
        assert_eq!(feed.take(), LeaseNews::Changes(vec![change(2, None)]));
        feed.replaced();
        assert_eq!(feed.take(), LeaseNews::Everything);
    }
}
